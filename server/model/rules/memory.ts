import type { Conversation } from '../conversation.ts'
import { commaName, type Rule } from './rule.ts'

/** Characters of a message that are quoted. */
const QUOTE_LENGTH = 200
/** Messages included in a summary. */
const SUMMARY_LENGTH = 10

function quote (text: string): string {
  const characters = [...text.slice(0, 2 * QUOTE_LENGTH + 2)]
  const excerpt = characters.length > QUOTE_LENGTH ? `${characters.slice(0, QUOTE_LENGTH).join('')}…` : text
  return excerpt.split('\n').map(line => `> ${line}`).join('\n')
}

function ordinal (count: number): string {
  const ending = Math.floor(count / 10) % 10 === 1 ? 'th' : ['th', 'st', 'nd', 'rd'][count % 10] ?? 'th'
  return `${count}${ending}`
}

function quoteMessage ({ earlier }: Conversation, index: number, which: string): string {
  const text = earlier.at(index)
  return text === undefined ? 'This is your first message.' : `Your ${which} message was:\n\n${quote(text)}`
}

/** Questions about the conversation itself. */
export const MEMORY_RULES: readonly Rule[] = [
  [/\b(?:what(?: is|'s|’s) my name|who am i|(?:know|remember) my name)\b/i, ({ name }) => name === undefined
    ? 'You haven’t told me. Say “my name is …”, and I’ll remember it for the rest of this conversation.'
    : `Your name is **${name}**. You told me yourself.`],

  [/\bhow many (?:messages|questions|turns)\b/i, context => {
    const count = context.earlier.length + 1
    return `This is your **${ordinal(count)}** message in this conversation${commaName(context)}.`
  }],

  [/\bmy (?:first|1st) (?:message|question|words?)\b|\bdid i (?:say|ask) (?:at )?first\b/i, context => quoteMessage(context, 0, 'first')],
  [/\bmy (?:last|previous) (?:message|question|words?)\b|\bdid i (?:just )?(?:say|ask)\b/i, context => quoteMessage(context, -1, 'last')],
  [/\b(?:summar\w*|so far|this conversation|talked about)\b/i, ({ earlier }) => {
    const lines = earlier.filter(text => text !== '').slice(-SUMMARY_LENGTH).map((text, index) => `${index + 1}. ${text.slice(0, QUOTE_LENGTH).split('\n')[0]}`)
    return lines.length === 0 ? 'We haven’t talked about anything yet. You go first.' : `You said:\n\n${lines.join('\n')}`
  }]
]
