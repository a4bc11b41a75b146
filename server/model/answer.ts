import type { SeededRandom } from '../seeded-random.ts'
import type { Conversation } from './conversation.ts'
import { fallbackAnswer } from './fallback-answer.ts'
import { FAULTS } from './faults.ts'
import { MEMORY_RULES } from './rules/memory.ts'
import { REFLECTION_RULES } from './rules/reflection.ts'
import type { Rule } from './rules/rule.ts'
import { SMALL_TALK_RULES } from './rules/small-talk.ts'
import { TOPIC_RULES } from './rules/topics.ts'

/** The first rule that matches produces the answer. */
const RULES: readonly Rule[] = [...TOPIC_RULES, ...MEMORY_RULES, ...SMALL_TALK_RULES, ...REFLECTION_RULES]

/** Characters of a message that are matched against the patterns, which bounds the time they take. */
const MATCHED_LENGTH = 2_000

/** The model's next message, in Markdown. The same conversation and the same random numbers produce the same answer. */
export function answer (conversation: Conversation, random: SeededRandom): string {
  const { prompt, fault } = conversation
  const context = { ...conversation, random }
  if (prompt === '') {
    return fault === undefined
      ? 'Your message is empty. Say `help` to see what I can do.'
      : `You sent \`${fault}\`, so this answer ${FAULTS[fault]}. Put a question after it, and I’ll answer that as far as I get.`
  }
  const beginning = prompt.slice(0, MATCHED_LENGTH)
  for (const [pattern, reply] of RULES) {
    const match = pattern.exec(beginning)
    if (match !== null) return reply(context, match)
  }
  return fallbackAnswer(context)
}
