import t from 'tap'
import { answer } from '../../../server/model/answer.ts'
import { PAGES } from '../../../server/model/pages.ts'
import { contextOf } from '../../fixtures/conversation.ts'

const answerTo = (...messages: string[]): string => {
  const { random, ...conversation } = contextOf(...messages)
  return answer(conversation, random)
}

t.test('the first matching rule produces the answer', async t => {
  t.equal(answerTo('Hello, I think SSE is nice'), PAGES.sse)
  t.match(answerTo('hello, how many messages is that?'), /\*\*1st\*\*/)
  t.match(answerTo('hello, I am tired'), /^Hello!/)
  t.match(answerTo('I am tired'), /tired\b.*\?$/)
  t.match(answerTo('the sea at night'), /I’m a toy/)
})

t.test('a fault is not part of the question', async t => {
  t.equal(answerTo('/slow count to 3'), '1, 2, 3.')
})

t.test('a fault without a question is explained', async t => {
  t.match(answerTo('/truncate'), /^You sent `\/truncate`, so this answer ends after a few tokens, /)
})

t.test('an empty message is answered', async t => {
  t.match(answerTo(), /^Your message is empty/)
  t.match(answerTo(' \n'), /^Your message is empty/)
})

t.test('only the beginning of a message is matched, but all of it is repeated', async t => {
  t.not(answerTo(`${'la '.repeat(1_000)} markdown`), PAGES.markdown)
  t.equal(answerTo(`repeat: ${'la '.repeat(1_000)}end`), `${'la '.repeat(1_000)}end`)
})

t.test('no message takes long to match', async t => {
  const hostile = ['count ', 'i am ', 'code example ', 'a story about ', '\t', 'my name is ', '/slow ', 'count from 1 ', '“', 'how many ']
  for (const part of hostile) {
    const start = process.cpuUsage()
    answerTo(part.repeat(Math.ceil(200_000 / part.length)))
    t.ok(process.cpuUsage(start).user < 500_000, part)
  }
})
