/* How the market's page writes numbers and times. */

const SIGNED = new Intl.NumberFormat('en', { style: 'percent', minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: 'exceptZero' })
const PRICE = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const SHORT = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 })

/** A part of one, with its sign. */
export function percent (value) {
  return SIGNED.format(value).replace('-', '\u2212').replace('%', '\u202F%')
}

export function price (value) {
  return PRICE.format(value)
}

export function whole (value) {
  return WHOLE.format(value)
}

/** A number of three digits, with a letter for the thousands. */
export function short (value) {
  return SHORT.format(value)
}

/** The time of day. @param time milliseconds since 1970, by the server's clock */
export function timeOfDay (time) {
  return new Date(time).toTimeString().slice(0, 8)
}
