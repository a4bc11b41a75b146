import type { SeededRandom } from '../../seeded-random.ts'
import type { Conversation } from '../conversation.ts'

/** The input of a reply. */
export interface ReplyContext extends Conversation {
  readonly random: SeededRandom
}

/** A reply to the messages whose beginning matches the pattern. */
export type Rule = readonly [pattern: RegExp, reply: (context: ReplyContext, match: RegExpExecArray) => string]

/** `, Anna` to append to a greeting, or nothing if the name is unknown. */
export function commaName ({ name }: ReplyContext): string {
  return name === undefined ? '' : `, ${name}`
}
