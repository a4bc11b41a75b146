import t from 'tap'
import { REFLECTION_RULES } from '../../../../server/model/rules/reflection.ts'
import { replyOf } from '../../../fixtures/conversation.ts'

const replyTo = (...messages: string[]): string | undefined => replyOf(REFLECTION_RULES, ...messages)

t.test('it repeats the words of the user from its own perspective', async t => {
  for (const [message, words] of [
    ['I feel that you are tired of me', 'that I are tired of you'],
    ['I\'m afraid of my boss. Help!', 'afraid of your boss'],
    ['I want a house of my own', 'a house of your own'],
    ['I love your plugin', 'my plugin'],
    ['I hate it', 'it'],
    ['I can’t see what’s mine', 'see what\'s yours'],
    ['I think I’m right', 'you are right'],
    ['my CAT is ill', 'CAT'],
    ['because you said so', 'I said so'],
    ['Could you please bake a cake?', 'bake a cake'],
    ['You are clever', 'clever'],
    ['Why is the sky blue?', 'is the sky blue']
  ] as const) t.ok(replyTo(message)!.includes(words), `${message} ${replyTo(message)}`)
})

t.test('property names of Object.prototype are ordinary words', async t => {
  t.match(replyTo('I am constructor of toString'), /constructor of toString/)
})

t.test('it repeats at most one line', async t => {
  t.ok(replyTo(`I feel ${'very '.repeat(100)}`)!.length < 200)
  t.notMatch(replyTo('I feel fine\nand so on'), /so on/)
})

t.test('the repeated words are not a replacement pattern', async t => {
  t.match(replyTo('I am $& and *'), /\$& and \*/)
})

t.test('other messages match no rule', async t => {
  for (const message of ['the sea', 'what now?']) t.equal(replyTo(message), undefined, message)
})
