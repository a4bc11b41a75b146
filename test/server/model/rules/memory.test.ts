import t from 'tap'
import { MEMORY_RULES } from '../../../../server/model/rules/memory.ts'
import { replyOf } from '../../../fixtures/conversation.ts'

const replyTo = (...messages: string[]): string | undefined => replyOf(MEMORY_RULES, ...messages)

t.test('it remembers the name of the user', async t => {
  t.match(replyTo('my name is Anna', 'x', 'What\'s my name?'), /\*\*Anna\*\*/)
  t.match(replyTo('who am I?'), /haven’t told me/)
})

t.test('it counts messages', async t => {
  const ordinal = (count: number): string => /\*\*(.*)\*\*/.exec(replyTo(...Array.from({ length: count - 1 }, () => 'x'), 'how many messages?')!)![1]!
  t.strictSame([1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 101, 111].map(ordinal), ['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '22nd', '23rd', '101st', '111th'])
  t.match(replyTo('call me Bob', 'how many questions did I ask'), /\*\*2nd\*\* message in this conversation, Bob\./)
})

t.test('it quotes the first and the last message', async t => {
  t.equal(replyTo('one\ntwo', 'three', 'what was my first message?'), 'Your first message was:\n\n> one\n> two')
  t.equal(replyTo('one', 'two', 'What did I just say?'), 'Your last message was:\n\n> two')
  t.match(replyTo('what was my last question'), /your first message/)
})

t.test('a long message is shortened between characters', async t => {
  t.equal(replyTo('🎏'.repeat(201), 'what did I say?'), `Your last message was:\n\n> ${'🎏'.repeat(200)}…`)
  t.equal(replyTo('🎏'.repeat(200), 'what did I say?'), `Your last message was:\n\n> ${'🎏'.repeat(200)}`)
})

t.test('it summarizes the conversation', async t => {
  t.equal(replyTo('one\nmore', '/fail', 'two', 'summarize'), 'You said:\n\n1. one\n2. two')
  t.equal(replyTo(...Array.from({ length: 12 }, (_, index) => `m${index}`), 'summary')!.split('\n').at(-1), '10. m11')
  t.match(replyTo('/fail', 'what have we talked about?'), /haven’t talked about anything/)
})

t.test('other messages match no rule', async t => {
  for (const message of ['hello', 'how many people live in Rome?', 'my name is Bob']) t.equal(replyTo(message), undefined, message)
})
