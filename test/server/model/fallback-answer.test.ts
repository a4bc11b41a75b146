import t from 'tap'
import { fallbackAnswer } from '../../../server/model/fallback-answer.ts'
import { contextOf } from '../../fixtures/conversation.ts'

t.test('it picks up a word of the message and one of an earlier message', async t => {
  const text = fallbackAnswer(contextOf('something about mountains', 'what about the lighthouse?'))
  t.match(text, /\*lighthouse\*/)
  t.match(text, /Earlier you mentioned \*mountains\*\./)
  t.notMatch(fallbackAnswer(contextOf('the lighthouse', 'the lighthouse?')), /Earlier/)
})

t.test('a message without a keyword is answered', async t => {
  t.match(fallbackAnswer(contextOf('a b c')), /\*this\*/)
})

t.test('it admits to knowing nothing, and uses the name if it is known', async t => {
  t.match(fallbackAnswer(contextOf('the sea')), /I’m a toy and know nothing about it, but I’m listening\. /)
  t.match(fallbackAnswer(contextOf('my name is Anna', 'the sea')), /but I’m listening, Anna\. /)
})

t.test('the same message gets the same answer, and different messages get different ones', async t => {
  const messages = Array.from({ length: 50 }, (_, index) => `lighthouse ${index}`)
  const answers = messages.map(message => fallbackAnswer(contextOf(message)))
  t.strictSame(messages.map(message => fallbackAnswer(contextOf(message))), answers)
  t.ok(new Set(answers).size > 40, `${new Set(answers).size} of 50 differ`)
  for (const answer of answers) {
    const paragraphs = answer.split('\n\n')
    t.equal(new Set(paragraphs).size, paragraphs.length)
    t.notMatch(answer, /undefined|\*\*\*/)
  }
})
