/** A word or a part of one, a few digits, punctuation marks, or white space; the space before it belongs to it. */
const TOKEN = / ?[\p{L}\p{M}]{1,7}| ?\p{N}{1,3}| ?[^\s\p{L}\p{M}\p{N}]{1,3}|\s{1,8}/gu

/**
 * Cuts a text into pieces of about the size of a language model's tokens: four letters on average, at most eight
 * characters (a character is a code point). Joined, they are the text.
 */
export function * tokens (text: string): Generator<string, void, undefined> {
  for (const [token] of text.matchAll(TOKEN)) yield token
}

/** How many tokens a text has. Stops counting once there are more than `limit`. */
export function countTokens (text: string, limit = Infinity): number {
  const left = tokens(text)
  let count = 0
  while (count <= limit && left.next().done !== true) count++
  return count
}
