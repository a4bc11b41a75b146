/** What goes wrong on demand, by the word at the beginning of a message. */
export const FAULTS = {
  '/slow': 'takes 300 ms for each token',
  '/nothing': 'sends no token and keeps the connection open',
  '/stall': 'stops after a few tokens and keeps the connection open',
  '/fail': 'fails after a few tokens with an error in the stream',
  '/cut': 'cuts the connection after a few tokens',
  '/truncate': 'ends after a few tokens, without a finish reason or `[DONE]`',
  '/429': 'is refused with 429 and `Retry-After: 2`',
  '/500': 'is refused with 500'
} as const

export type Fault = keyof typeof FAULTS

/** Splits the word of a fault from the beginning of a message. */
export function splitFault (message: string): { fault: Fault | undefined, rest: string } {
  const [prefix, word] = /^\s*(\/\w+)(?:\s+|$)/.exec(message) ?? []
  if (prefix === undefined || !Object.hasOwn(FAULTS, word!)) return { fault: undefined, rest: message }
  return { fault: word as Fault, rest: message.slice(prefix.length) }
}
