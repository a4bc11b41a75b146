import type { Conversation } from '../conversation.ts'
import { addressed, type Rule } from './rule.ts'

/** Characters of a message that are quoted. */
const QUOTED = 200
/** Messages that a summary has. */
const SUMMED_UP = 10

function quote (text: string): string {
  const characters = [...text.slice(0, 2 * QUOTED + 2)]
  const short = characters.length > QUOTED ? `${characters.slice(0, QUOTED).join('')}…` : text
  return short.split('\n').map(line => `> ${line}`).join('\n')
}

function ordinal (count: number): string {
  const ending = Math.floor(count / 10) % 10 === 1 ? 'th' : ['th', 'st', 'nd', 'rd'][count % 10] ?? 'th'
  return `${count}${ending}`
}

function told ({ earlier }: Conversation, index: number, which: string): string {
  const text = earlier.at(index)
  return text === undefined ? 'This is the first thing you say to me.' : `Your ${which} message was:\n\n${quote(text)}`
}

/** What is asked about the conversation itself. */
export const MEMORY: readonly Rule[] = [
  [/\b(?:what(?: is|'s|’s) my name|who am i|(?:know|remember) my name)\b/i, ({ name }) => name === undefined
    ? 'You have not told me. Say “my name is …”, and I shall remember it as long as this conversation lasts.'
    : `Your name is **${name}**. You told me yourself.`],

  [/\bhow many (?:messages|questions|turns)\b/i, talk => {
    const count = talk.earlier.length + 1
    return `This is your **${ordinal(count)}** message in this conversation${addressed(talk)}.`
  }],

  [/\bmy (?:first|1st) (?:message|question|words?)\b|\bdid i (?:say|ask) (?:at )?first\b/i, talk => told(talk, 0, 'first')],
  [/\bmy (?:last|previous) (?:message|question|words?)\b|\bdid i (?:just )?(?:say|ask)\b/i, talk => told(talk, -1, 'last')],
  [/\b(?:summar\w*|so far|this conversation|talked about)\b/i, ({ earlier }) => {
    const lines = earlier.filter(text => text !== '').slice(-SUMMED_UP).map((text, index) => `${index + 1}. ${text.slice(0, QUOTED).split('\n')[0]}`)
    return lines.length === 0 ? 'Nothing has been said so far. You may be the one to begin.' : `This is what you have said:\n\n${lines.join('\n')}`
  }]
]
