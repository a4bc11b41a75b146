import t from 'tap'
import { readConversation, textOf } from '../../../server/model/conversation.ts'
import { contextOf } from '../../fixtures/conversation.ts'

t.test('the prompt is the last message of the user', async t => {
  const conversation = readConversation([
    { role: 'system', content: 'my name is System' },
    { role: 'user', content: 'first' },
    { role: 'assistant', content: 'my name is Assistant' },
    { role: 'user', content: [{ text: ' sec' }, { text: 'ond ' }] },
    { role: 'assistant', content: null }
  ])
  t.strictSame(conversation, { prompt: 'second', fault: undefined, earlier: ['first'], name: undefined })
})

t.test('without a message of the user, the prompt is empty', async t => {
  t.strictSame(readConversation([{ role: 'system', content: '/fail' }]), { prompt: '', fault: undefined, earlier: [], name: undefined })
})

t.test('faults are removed from all messages, and only the last one counts', async t => {
  t.match(contextOf('/fail one', 'two'), { prompt: 'two', fault: undefined, earlier: ['one'] })
  t.match(contextOf('one', '/fail two'), { prompt: 'two', fault: '/fail', earlier: ['one'] })
})

t.test('the content of a message is a text, parts or nothing', async t => {
  t.equal(textOf({ role: 'user', content: [{ text: 'a' }, { text: 'b' }] }), 'ab')
  t.equal(textOf({ role: 'user', content: 'a' }), 'a')
  t.equal(textOf({ role: 'assistant', content: null }), '')
  t.equal(textOf({ role: 'assistant' }), '')
})

t.test('the last name that the user gave is remembered', async t => {
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
  ] as const) t.equal(contextOf(message).name, name, message.slice(0, 40))
  t.equal(contextOf('my name is Anna', 'call me Bea', 'and now?').name, 'Bea')
})
