import t from 'tap'
import { muse } from '../../../server/model/fallback-answer.ts'
import { talk } from '../../fixtures/talk.ts'

t.test('it picks up a word of the message, and one of those before', async t => {
  const text = muse(talk('something about mountains', 'what about the lighthouse?'))
  t.match(text, /\*lighthouse\*/)
  t.match(text, /Earlier you spoke of \*mountains\*\./)
  t.notMatch(muse(talk('the lighthouse', 'the lighthouse?')), /Earlier/)
})

t.test('where there is no such word, it does without', async t => {
  t.match(muse(talk('a b c')), /\*this\*/)
})

t.test('it says that it knows nothing, to whom it may know', async t => {
  t.match(muse(talk('the sea')), /I am a toy and know nothing of it, but I am listening\. /)
  t.match(muse(talk('my name is Anna', 'the sea')), /but I am listening, Anna\. /)
})

t.test('it says the same to the same, and not the same to all', async t => {
  const messages = Array.from({ length: 50 }, (_, index) => `lighthouse ${index}`)
  const answers = messages.map(message => muse(talk(message)))
  t.strictSame(messages.map(message => muse(talk(message))), answers)
  t.ok(new Set(answers).size > 40, `${new Set(answers).size} of 50 differ`)
  for (const answer of answers) {
    const paragraphs = answer.split('\n\n')
    t.equal(new Set(paragraphs).size, paragraphs.length)
    t.notMatch(answer, /undefined|\*\*\*/)
  }
})
