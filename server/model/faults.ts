/** What goes wrong on demand, by the word with which a message begins. */
export const FAULTS = {
  '/slow': 'takes 300 ms for each token',
  '/nothing': 'never says a word, and keeps the connection',
  '/stall': 'falls silent after a few tokens, and keeps the connection',
  '/fail': 'fails after a few tokens, and says so in the stream',
  '/cut': 'cuts the connection after a few tokens',
  '/truncate': 'ends after a few tokens, with neither a finish reason nor `[DONE]`',
  '/429': 'refuses with 429 and `Retry-After: 2`',
  '/500': 'refuses with 500'
} as const

export type Fault = keyof typeof FAULTS

/** Takes the fault off the beginning of a message. */
export function splitFault (message: string): { fault: Fault | undefined, rest: string } {
  const [whole, word] = /^\s*(\/\w+)(?:\s+|$)/.exec(message) ?? []
  if (whole === undefined || !Object.hasOwn(FAULTS, word!)) return { fault: undefined, rest: message }
  return { fault: word as Fault, rest: message.slice(whole.length) }
}
