import t from 'tap'
import { answer } from '../../../server/model/answer.ts'
import { PAGES } from '../../../server/model/pages.ts'
import { talk } from '../../fixtures/talk.ts'

const say = (...said: string[]): string => {
  const { random, ...conversation } = talk(...said)
  return answer(conversation, random)
}

t.test('the first rule that matches says what there is to say', async t => {
  t.equal(say('Hello, I think SSE is nice'), PAGES.sse)
  t.match(say('hello, how many messages is that?'), /\*\*1st\*\*/)
  t.match(say('hello, I am tired'), /^Hello!/)
  t.match(say('I am tired'), /tired\b.*\?$/)
  t.match(say('the sea at night'), /I am a toy/)
})

t.test('a fault is no part of the question', async t => {
  t.equal(say('/slow count to 3'), '1, 2, 3.')
})

t.test('a fault without a question is spoken of', async t => {
  t.match(say('/truncate'), /^You have said `\/truncate`, so this answer ends after a few tokens, /)
})

t.test('silence is answered, too', async t => {
  t.match(say(), /^You have said nothing/)
  t.match(say(' \n'), /^You have said nothing/)
})

t.test('only the beginning of a message is looked at, but all of it is repeated', async t => {
  t.not(say(`${'la '.repeat(1_000)} markdown`), PAGES.markdown)
  t.equal(say(`repeat: ${'la '.repeat(1_000)}end`), `${'la '.repeat(1_000)}end`)
})

t.test('no message keeps it busy', async t => {
  const hostile = ['count ', 'i am ', 'code example ', 'a story about ', '\t', 'my name is ', '/slow ', 'count from 1 ', '“', 'how many ']
  for (const part of hostile) {
    const start = process.cpuUsage()
    say(part.repeat(Math.ceil(200_000 / part.length)))
    t.ok(process.cpuUsage(start).user < 500_000, part)
  }
})
