const LONE_SURROGATES = /\p{Surrogate}/gu
const REPLACEMENT_CHARACTER = '\uFFFD'

/** Joins characters of which a server sends the two UTF-16 code units in different texts. */
export class CharacterJoiner {
  #firstHalf = ''

  /** @returns the text without a half character at its end, which is held until the next call */
  join (text: string): string {
    const last = text.charCodeAt(text.length - 1)
    if (this.#firstHalf === '' && !isFirstHalf(last) && !isSecondHalf(text.charCodeAt(0))) return text
    const joined = this.#firstHalf + text
    this.#firstHalf = isFirstHalf(last) ? text.slice(-1) : ''
    return (isFirstHalf(last) ? joined.slice(0, -1) : joined).replace(LONE_SURROGATES, REPLACEMENT_CHARACTER)
  }

  /** @returns a replacement character for half a character that was never completed; an empty string if there is none */
  end (): string {
    const isIncomplete = this.#firstHalf !== ''
    this.#firstHalf = ''
    return isIncomplete ? REPLACEMENT_CHARACTER : ''
  }
}

function isFirstHalf (code: number): boolean {
  return (code & 0xFC00) === 0xD800
}

function isSecondHalf (code: number): boolean {
  return (code & 0xFC00) === 0xDC00
}
