import { PAGES } from '../pages.ts'
import type { Rule } from './rule.ts'
import { story } from '../story.ts'

/** The highest number that is counted to. It makes some 14,000 tokens. */
const HIGHEST = 5_000
const CHAPTERS = 40

function count (from: number, to: number): string {
  const step = from < to ? 1 : -1
  return Array.from({ length: Math.abs(to - from) + 1 }, (_, index) => from + index * step).join(', ')
}

/** What is asked for outright. */
export const TOPICS: readonly Rule[] = [
  // The pattern sees only the beginning of a message; what is repeated is all of it.
  [/^(?:repeat(?: after me)?|say|echo)\b\s*[:,]?\s*(?=\S)/i, ({ prompt }, [order]) => prompt.slice(order.length)],

  [/^\/?help\b|^\?+$|\bwhat can (?:you do|i ask)\b/i, () => PAGES.help],

  [/\bcount (?:back|down|backwards)\b(?:\D*(\d{1,9}))?/i, (_talk, [, from = '10']) => `${count(Math.min(Number(from), HIGHEST), 0)}!`],
  [/\bcount\b(?:\D*?from (\d{1,9}))?\D+(\d{1,9})/i, (_talk, [, from = '1', to]) => {
    const [first, last] = [Math.min(Number(from), HIGHEST), Math.min(Number(to), HIGHEST)]
    return `${count(first, last)}.${Number(to) > HIGHEST ? `\n\nI can go on like this for ever, but ${HIGHEST} is enough for today.` : ''}`
  }],

  [/\bmark ?down\b/i, () => PAGES.markdown],

  [/\b(?:story|stories|novel|fairy ?tale|tale)\b/i, ({ random, name }, { input }) => {
    const [, asked] = /\b(\d{1,3}) chapters?\b/i.exec(input) ?? []
    const usual = /\b(?:long|novel|chapters|endless)\b/i.test(input) ? 14 : 1
    const [, subject] = /\babout\s+([\p{L}\p{N} ,'’-]{1,80}?)(?=\s+(?:in|with) \d+ chapters|[^\p{L}\p{N} ,'’-]|$)/iu.exec(input) ?? []
    return story(random, { chapters: Math.min(Math.max(Number(asked ?? usual), 1), CHAPTERS), subject, reader: name })
  }],

  [/\b(?:code|snippet)\b|\b(?:an|show me|give me) example\b/i, (_talk, { input }) => /\b(?:browser|client|page|frontend|eventsource)\b/i.test(input) ? PAGES.browserCode : PAGES.serverCode],
  [/\beventsource\b/i, () => PAGES.browserCode],
  [/\b(?:web ?sockets?|polling)\b/i, () => PAGES.webSockets],
  [/\b(?:reconnect\w*|last-event-id|connection is lost|los(?:e|es|ing) the connection)\b/i, () => PAGES.resuming],
  [/\bserver[- ]sent\b|\bsse\b|\bevent[- ]?streams?\b/i, () => PAGES.sse],
  [/\b(?:fastify|emitter|plugin|this (?:project|demo))\b|^what is this\b/i, () => PAGES.project],
  [/\b(?:who|what) are you\b|\bare you (?:an? )?(?:real|human|person|robot|bot|machine|ai|language model|llm|gpt|chat ?gpt|claude|alive)\b|\byour name\b/i, () => PAGES.who]
]
