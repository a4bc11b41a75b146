/* Formats numbers and times. */

const SIGNED = new Intl.NumberFormat('en', { style: 'percent', minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: 'exceptZero' })
const PRICE = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const SHORT = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 })

/** @param value a fraction @returns a percentage with its sign */
export function percent (value) {
  return SIGNED.format(value).replace('-', '\u2212')
}

export function price (value) {
  return PRICE.format(value)
}

export function whole (value) {
  return WHOLE.format(value)
}

/** Three significant digits and a letter, such as 12.3K. */
export function short (value) {
  return SHORT.format(value)
}

/** The time of day. @param time milliseconds since 1970 */
export function timeOfDay (time) {
  return new Date(time).toTimeString().slice(0, 8)
}
