import t from 'tap'
import { MEMORY } from '../../../../server/model/rules/memory.ts'
import { reply } from '../../../fixtures/talk.ts'

const say = (...said: string[]): string | undefined => reply(MEMORY, ...said)

t.test('it knows a name that it was told', async t => {
  t.match(say('my name is Anna', 'x', 'What\'s my name?'), /\*\*Anna\*\*/)
  t.match(say('who am I?'), /have not told me/)
})

t.test('it counts the messages', async t => {
  const ordinal = (count: number): string => /\*\*(.*)\*\*/.exec(say(...Array.from({ length: count - 1 }, () => 'x'), 'how many messages?')!)![1]!
  t.strictSame([1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 101, 111].map(ordinal), ['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '22nd', '23rd', '101st', '111th'])
  t.match(say('call me Bob', 'how many questions did I ask'), /\*\*2nd\*\* message in this conversation, Bob\./)
})

t.test('it quotes what was said first, and last', async t => {
  t.equal(say('one\ntwo', 'three', 'what was my first message?'), 'Your first message was:\n\n> one\n> two')
  t.equal(say('one', 'two', 'What did I just say?'), 'Your last message was:\n\n> two')
  t.match(say('what was my last question'), /first thing/)
})

t.test('a long message is quoted in part, and no character of it is cut in two', async t => {
  t.equal(say('🎏'.repeat(201), 'what did I say?'), `Your last message was:\n\n> ${'🎏'.repeat(200)}…`)
  t.equal(say('🎏'.repeat(200), 'what did I say?'), `Your last message was:\n\n> ${'🎏'.repeat(200)}`)
})

t.test('it sums up what was said', async t => {
  t.equal(say('one\nmore', '/fail', 'two', 'summarize'), 'This is what you have said:\n\n1. one\n2. two')
  t.equal(say(...Array.from({ length: 12 }, (_, index) => `m${index}`), 'summary')!.split('\n').at(-1), '10. m11')
  t.match(say('/fail', 'what have we talked about?'), /Nothing has been said/)
})

t.test('it has nothing to say on anything else', async t => {
  for (const message of ['hello', 'how many people live in Rome?', 'my name is Bob']) t.equal(say(message), undefined, message)
})
