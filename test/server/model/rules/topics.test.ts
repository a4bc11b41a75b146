import t from 'tap'
import { PAGES } from '../../../../server/model/pages.ts'
import { countTokens } from '../../../../server/model/tokens.ts'
import { TOPIC_RULES } from '../../../../server/model/rules/topics.ts'
import { replyOf } from '../../../fixtures/conversation.ts'

const replyTo = (...messages: string[]): string | undefined => replyOf(TOPIC_RULES, ...messages)

t.test('it repeats a text exactly', async t => {
  t.equal(replyTo('Repeat: **a**,\n  b '), '**a**,\n  b')
  t.equal(replyTo('say hello'), 'hello')
  t.equal(replyTo('echo, x'), 'x')
  t.equal(replyTo('repeat after me: x'), 'x')
  const long = 'word '.repeat(5_000).trim()
  t.equal(replyTo(`repeat ${long}`), long)
  t.equal(replyTo('say'), undefined)
})

t.test('it counts', async t => {
  const numbers = (text: string | undefined): number[] => text!.match(/\d+/g)!.map(Number)
  t.equal(replyTo('Count to 3'), '1, 2, 3.')
  t.strictSame(numbers(replyTo('please count up to 50')), Array.from({ length: 50 }, (_, index) => index + 1))
  t.equal(replyTo('count from 5 to 7'), '5, 6, 7.')
  t.equal(replyTo('count down from 3'), '3, 2, 1, 0!')
  t.equal(replyTo('count backwards'), '10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0!')
})

t.test('it stops counting at 5000', async t => {
  const text = replyTo('count to 999999999')!
  t.match(text, /, 4999, 5000\.\n\nI could go on forever/)
  t.ok(countTokens(text) < 20_000, `${countTokens(text)} tokens`)
  t.match(replyTo('count down from 999999999'), /^5000, 4999, /)
  t.match(replyTo('count from 999999999 to 3'), /^5000, 4999, .* 4, 3\.$/)
})

t.test('it tells stories of the requested length', async t => {
  const chapters = (text: string | undefined): number => text!.match(/^## Chapter /gm)?.length ?? 0
  t.equal(chapters(replyTo('tell me a story')), 0)
  t.equal(chapters(replyTo('tell me a long story')), 14)
  t.equal(chapters(replyTo('write a novel')), 14)
  t.equal(chapters(replyTo('a story in 3 chapters')), 3)
  t.equal(chapters(replyTo('a tale in 999 chapters')), 40)
  t.equal(chapters(replyTo('a story in 0 chapters')), 0)
  t.ok(countTokens(replyTo('a tale in 999 chapters')!) < 20_000)
})

t.test('a story has the requested subject and is dedicated to the user', async t => {
  const title = (text: string | undefined): string => /^# \w+ and the truth about (.*)$/m.exec(text!)![1]!
  t.equal(title(replyTo('a story about a small dragon in 5 chapters')), 'a small dragon')
  t.equal(title(replyTo('Tell me a tale about two friends, and a key!')), 'two friends, and a key')
  t.match(replyTo('my name is anna', 'a story'), /\n\n\*For Anna\*\n\n/)
  t.notMatch(replyTo('a story'), /\*For /)
})

t.test('it answers some questions with a prepared page', async t => {
  for (const [message, page] of [
    ['help', 'help'],
    ['/help', 'help'],
    ['?', 'help'],
    ['What can you do?', 'help'],
    ['markdown', 'markdown'],
    ['Show me code for a Fastify route', 'serverCode'],
    ['give me example', 'serverCode'],
    ['Show me code for the browser', 'browserCode'],
    ['client code please', 'browserCode'],
    ['how does EventSource work?', 'browserCode'],
    ['SSE or WebSockets?', 'webSockets'],
    ['What happens when the connection is lost?', 'resuming'],
    ['does it reconnect?', 'resuming'],
    ['What is SSE?', 'sse'],
    ['Hello, what are server-sent events?', 'sse'],
    ['What is this plugin?', 'project'],
    ['what is this', 'project'],
    ['Who are you?', 'who'],
    ['are you a language model?', 'who'],
    ['what\'s your name', 'who']
  ] as const) t.equal(replyTo(message), PAGES[page], message)
})

t.test('other messages match no rule', async t => {
  for (const message of ['hello', 'for example, I am tired', 'countless people', 'my project', 'the sea']) t.equal(replyTo(message), undefined, message)
})
