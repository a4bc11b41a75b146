import t from 'tap'
import { SMALL_TALK } from '../../../../server/model/rules/small-talk.ts'
import { reply } from '../../../fixtures/talk.ts'

const say = (...said: string[]): string | undefined => reply(SMALL_TALK, ...said)

t.test('it is polite', async t => {
  for (const [message, answer] of [
    ['Hello!', /^Hello! /],
    ['good morning', /^Hello! /],
    ['how are you?', /you\?$/],
    ['my name is anna', /^Pleased to meet you, Anna!/],
    ['Hi, I\'m Bob.', /^Pleased to meet you, Bob!/],
    ['thanks a lot', /anything else\?$/],
    ['bye', /forget all this/],
    ['sorry', /nothing to be sorry for/],
    ['ok.', /^Good\./],
    ['Nope', /^No\? /]
  ] as const) t.match(say(message), answer, message)
})

t.test('it calls people by their name', async t => {
  t.match(say('my name is Anna', 'hello'), /^Hello, Anna! /)
  t.match(say('my name is Anna', 'thank you'), /, Anna\. Is there/)
  t.match(say('my name is Anna', 'goodbye'), /, Anna\. I shall/)
})

t.test('it knows jokes and poems', async t => {
  t.ok(say('tell me a joke')!.length > 40)
  t.equal(say('a haiku, please')!.split('\n').length, 3)
})

t.test('it says what it cannot know', async t => {
  for (const message of ['what time is it?', 'what\'s the date', 'how is the weather', 'what\'s in the news?']) t.match(say(message), /^I cannot tell/, message)
  t.match(say('what is the meaning of life?'), /^42\./)
})

t.test('it has nothing to say on anything else', async t => {
  for (const message of ['I think of it all the time', 'yes and no', 'history', 'call me back']) t.equal(say(message), undefined, message)
})
