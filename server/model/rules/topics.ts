import { PAGES } from '../pages.ts'
import { story } from '../story.ts'
import type { Rule } from './rule.ts'

/** Limit of counting, which makes an answer of about 14,000 tokens. */
const MAX_NUMBER = 5_000
const MAX_CHAPTERS = 40
const CHAPTERS_OF_NOVEL = 14

function count (from: number, to: number): string {
  const step = from < to ? 1 : -1
  return Array.from({ length: Math.abs(to - from) + 1 }, (_, index) => from + index * step).join(', ')
}

/** Explicit requests. */
export const TOPIC_RULES: readonly Rule[] = [
  // The pattern matches the beginning of a message only; the whole message is repeated.
  [/^(?:repeat(?: after me)?|say|echo)\b\s*[:,]?\s*(?=\S)/i, ({ prompt }, [command]) => prompt.slice(command.length)],

  [/^\/?help\b|^\?+$|\bwhat can (?:you do|i ask)\b/i, () => PAGES.help],

  [/\bcount (?:back|down|backwards)\b(?:\D*(\d{1,9}))?/i, (_context, [, from = '10']) => `${count(Math.min(Number(from), MAX_NUMBER), 0)}!`],
  [/\bcount\b(?:\D*?from (\d{1,9}))?\D+(\d{1,9})/i, (_context, [, from = '1', to]) => {
    const [first, last] = [Math.min(Number(from), MAX_NUMBER), Math.min(Number(to), MAX_NUMBER)]
    return `${count(first, last)}.${Number(to) > MAX_NUMBER ? `\n\nI could go on forever, but ${MAX_NUMBER} is enough for today.` : ''}`
  }],

  [/\bmark ?down\b/i, () => PAGES.markdown],

  [/\b(?:story|stories|novel|fairy ?tale|tale)\b/i, ({ random, name }, { input }) => {
    const [, requested] = /\b(\d{1,3}) chapters?\b/i.exec(input) ?? []
    const usual = /\b(?:long|novel|chapters|endless)\b/i.test(input) ? CHAPTERS_OF_NOVEL : 1
    const [, subject] = /\babout\s+([\p{L}\p{N} ,'’-]{1,80}?)(?=\s+(?:in|with) \d+ chapters|[^\p{L}\p{N} ,'’-]|$)/iu.exec(input) ?? []
    return story(random, { chapters: Math.min(Math.max(Number(requested ?? usual), 1), MAX_CHAPTERS), subject, reader: name })
  }],

  [/\b(?:code|snippet)\b|\b(?:an|show me|give me) example\b/i, (_context, { input }) => /\b(?:browser|client|page|frontend|eventsource)\b/i.test(input) ? PAGES.browserCode : PAGES.serverCode],
  [/\beventsource\b/i, () => PAGES.browserCode],
  [/\b(?:web ?sockets?|polling)\b/i, () => PAGES.webSockets],
  [/\b(?:reconnect\w*|last-event-id|connection is lost|los(?:e|es|ing) the connection)\b/i, () => PAGES.resuming],
  [/\bserver[- ]sent\b|\bsse\b|\bevent[- ]?streams?\b/i, () => PAGES.sse],
  [/\b(?:fastify|emitter|plugin|this (?:project|demo))\b|^what is this\b/i, () => PAGES.project],
  [/\b(?:who|what) are you\b|\bare you (?:an? )?(?:real|human|person|robot|bot|machine|ai|language model|llm|gpt|chat ?gpt|claude|alive)\b|\byour name\b/i, () => PAGES.who]
]
