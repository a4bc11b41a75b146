import t from 'tap'
import { readConversation, textOf } from '../../../server/model/conversation.ts'
import { talk } from '../../fixtures/talk.ts'

t.test('the prompt is what the person has said last, whoever has spoken since', async t => {
  const conversation = readConversation([
    { role: 'system', content: 'my name is System' },
    { role: 'user', content: 'first' },
    { role: 'assistant', content: 'my name is Assistant' },
    { role: 'user', content: [{ text: ' sec' }, { text: 'ond ' }] },
    { role: 'assistant', content: null }
  ])
  t.strictSame(conversation, { prompt: 'second', fault: undefined, earlier: ['first'], name: undefined })
})

t.test('where the person has said nothing, there is no prompt', async t => {
  t.strictSame(readConversation([{ role: 'system', content: '/fail' }]), { prompt: '', fault: undefined, earlier: [], name: undefined })
})

t.test('only the fault of the last message counts, and none is part of what was said', async t => {
  t.match(talk('/fail one', 'two'), { prompt: 'two', fault: undefined, earlier: ['one'] })
  t.match(talk('one', '/fail two'), { prompt: 'two', fault: '/fail', earlier: ['one'] })
})

t.test('a message may have parts, a text, or nothing', async t => {
  t.equal(textOf({ role: 'user', content: [{ text: 'a' }, { text: 'b' }] }), 'ab')
  t.equal(textOf({ role: 'user', content: 'a' }), 'a')
  t.equal(textOf({ role: 'assistant', content: null }), '')
  t.equal(textOf({ role: 'assistant' }), '')
})

t.test('a name is remembered, the one that was told last', async t => {
  for (const [message, name] of [
    ['My name is Anna.', 'Anna'],
    ['hello, my name\'s zoë', 'Zoë'],
    ['just call me D’Arcy, please', 'D’Arcy'],
    ['Hi, I\'m Bob!', 'Bob'],
    ['hello this is Ada', 'Ada'],
    ['Hi, I am tired', undefined],
    ['Hi, I am Anna and I am tired', undefined],
    ['my name is not important', undefined],
    ['call me back', undefined],
    ['what is my name?', undefined],
    [`${' '.repeat(10)}${'x'.repeat(2_000)} my name is Anna`, undefined]
  ] as const) t.equal(talk(message).name, name, message.slice(0, 40))
  t.equal(talk('my name is Anna', 'call me Bea', 'and now?').name, 'Bea')
})
