import t from 'tap'
import { PAGES } from '../../../../server/model/pages.ts'
import { countTokens } from '../../../../server/model/tokens.ts'
import { TOPICS } from '../../../../server/model/rules/topics.ts'
import { reply } from '../../../fixtures/talk.ts'

const say = (...said: string[]): string | undefined => reply(TOPICS, ...said)

t.test('it repeats what it is told to, to the letter', async t => {
  t.equal(say('Repeat: **a**,\n  b '), '**a**,\n  b')
  t.equal(say('say hello'), 'hello')
  t.equal(say('echo, x'), 'x')
  t.equal(say('repeat after me: x'), 'x')
  const long = 'word '.repeat(5_000).trim()
  t.equal(say(`repeat ${long}`), long)
  t.equal(say('say'), undefined)
})

t.test('it counts', async t => {
  const numbers = (text: string | undefined): number[] => text!.match(/\d+/g)!.map(Number)
  t.equal(say('Count to 3'), '1, 2, 3.')
  t.strictSame(numbers(say('please count up to 50')), Array.from({ length: 50 }, (_, index) => index + 1))
  t.equal(say('count from 5 to 7'), '5, 6, 7.')
  t.equal(say('count down from 3'), '3, 2, 1, 0!')
  t.equal(say('count backwards'), '10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0!')
})

t.test('it does not count for ever', async t => {
  const text = say('count to 999999999')!
  t.match(text, /, 4999, 5000\.\n\nI can go on like this for ever/)
  t.ok(countTokens(text) < 20_000, `${countTokens(text)} tokens`)
  t.match(say('count down from 999999999'), /^5000, 4999, /)
  t.match(say('count from 999999999 to 3'), /^5000, 4999, .* 4, 3\.$/)
})

t.test('it tells stories, as long as they are wanted', async t => {
  const chapters = (text: string | undefined): number => text!.match(/^## Chapter /gm)?.length ?? 0
  t.equal(chapters(say('tell me a story')), 0)
  t.equal(chapters(say('tell me a long story')), 14)
  t.equal(chapters(say('write a novel')), 14)
  t.equal(chapters(say('a story in 3 chapters')), 3)
  t.equal(chapters(say('a tale in 999 chapters')), 40)
  t.equal(chapters(say('a story in 0 chapters')), 0)
  t.ok(countTokens(say('a tale in 999 chapters')!) < 20_000)
})

t.test('a story is about what was asked for, and for who asked', async t => {
  const title = (text: string | undefined): string => /^# \w+ and the truth about (.*)$/m.exec(text!)![1]!
  t.equal(title(say('a story about a small dragon in 5 chapters')), 'a small dragon')
  t.equal(title(say('Tell me a tale about two friends, and a key!')), 'two friends, and a key')
  t.match(say('my name is anna', 'a story'), /\n\n\*For Anna\*\n\n/)
  t.notMatch(say('a story'), /\*For /)
})

t.test('it knows some pages by heart', async t => {
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
  ] as const) t.equal(say(message), PAGES[page], message)
})

t.test('it has nothing to say on anything else', async t => {
  for (const message of ['hello', 'for example, I am tired', 'countless people', 'my project', 'the sea']) t.equal(say(message), undefined, message)
})
