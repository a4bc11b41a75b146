/** A word or part of one, up to three digits, punctuation, or white space. A leading space belongs to the token. */
const TOKEN = / ?[\p{L}\p{M}]{1,7}| ?\p{N}{1,3}| ?[^\s\p{L}\p{M}\p{N}]{1,3}|\s{1,8}/gu

/**
 * Splits a text into pieces about the size of a language model's tokens: four letters on average, at most eight code points.
 * Joined, they are the text.
 */
export function * tokens (text: string): Generator<string, void, undefined> {
  for (const [token] of text.matchAll(TOKEN)) yield token
}

/** The number of tokens of a text. Counting stops once it exceeds `limit`. */
export function countTokens (text: string, limit = Infinity): number {
  const remaining = tokens(text)
  let count = 0
  while (count <= limit && remaining.next().done !== true) count++
  return count
}
