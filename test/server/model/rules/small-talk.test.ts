import t from 'tap'
import { SMALL_TALK_RULES } from '../../../../server/model/rules/small-talk.ts'
import { replyOf } from '../../../fixtures/conversation.ts'

const replyTo = (...messages: string[]): string | undefined => replyOf(SMALL_TALK_RULES, ...messages)

t.test('it is polite', async t => {
  for (const [message, answer] of [
    ['Hello!', /^Hello! /],
    ['good morning', /^Hello! /],
    ['how are you?', /you\?$/],
    ['my name is anna', /^Pleased to meet you, Anna!/],
    ['Hi, I\'m Bob.', /^Pleased to meet you, Bob!/],
    ['thanks a lot', /anything else\?$/],
    ['bye', /won’t remember/],
    ['sorry', /nothing to be sorry for/],
    ['ok.', /^Good\./],
    ['Nope', /^No\? /]
  ] as const) t.match(replyTo(message), answer, message)
})

t.test('it addresses users by their name', async t => {
  t.match(replyTo('my name is Anna', 'hello'), /^Hello, Anna! /)
  t.match(replyTo('my name is Anna', 'thank you'), /, Anna\. Is there/)
  t.match(replyTo('my name is Anna', 'goodbye'), /, Anna\. I won’t/)
})

t.test('it knows jokes and poems', async t => {
  t.ok(replyTo('tell me a joke')!.length > 40)
  t.equal(replyTo('a haiku, please')!.split('\n').length, 3)
})

t.test('it admits what it cannot know', async t => {
  for (const message of ['what time is it?', 'what\'s the date', 'how is the weather', 'what\'s in the news?']) t.match(replyTo(message), /^I can’t tell/, message)
  t.match(replyTo('what is the meaning of life?'), /^42\./)
})

t.test('other messages match no rule', async t => {
  for (const message of ['I think of it all the time', 'yes and no', 'history', 'call me back']) t.equal(replyTo(message), undefined, message)
})
