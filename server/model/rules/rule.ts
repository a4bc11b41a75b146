import type { Conversation } from '../conversation.ts'
import type { SeededRandom } from '../../seeded-random.ts'

/** What a reply is made from. */
export interface Talk extends Conversation {
  readonly random: SeededRandom
}

/** What to say to messages that match. The pattern is shown the beginning of the message. */
export type Rule = readonly [pattern: RegExp, reply: (talk: Talk, match: RegExpExecArray) => string]

/** `, Anna` after a greeting, if we know the name. */
export function addressed ({ name }: Talk): string {
  return name === undefined ? '' : `, ${name}`
}
