import type { Conversation } from './conversation.ts'
import { FAULTS } from './faults.ts'
import { MEMORY } from './rules/memory.ts'
import { muse } from './fallback-answer.ts'
import type { SeededRandom } from '../seeded-random.ts'
import { REFLECTION } from './rules/reflection.ts'
import type { Rule } from './rules/rule.ts'
import { SMALL_TALK } from './rules/small-talk.ts'
import { TOPICS } from './rules/topics.ts'

/** The first that matches says what there is to say. */
const RULES: readonly Rule[] = [...TOPICS, ...MEMORY, ...SMALL_TALK, ...REFLECTION]

/** Characters of a message that are shown to the patterns, so that no message keeps them busy for long. */
const HEARD = 2_000

/** What the model says next, in Markdown. The same conversation with the same random numbers gets the same answer. */
export function answer (conversation: Conversation, random: SeededRandom): string {
  const { prompt, fault } = conversation
  const talk = { ...conversation, random }
  if (prompt === '') {
    return fault === undefined
      ? 'You have said nothing, and I have nothing to add. Say `help` to see what I can do.'
      : `You have said \`${fault}\`, so this answer ${FAULTS[fault]}. Write a question after it, and I shall answer that as far as it goes.`
  }
  const heard = prompt.slice(0, HEARD)
  for (const [pattern, reply] of RULES) {
    const match = pattern.exec(heard)
    if (match !== null) return reply(talk, match)
  }
  return muse(talk)
}
