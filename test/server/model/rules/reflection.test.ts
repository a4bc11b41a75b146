import t from 'tap'
import { REFLECTION } from '../../../../server/model/rules/reflection.ts'
import { reply } from '../../../fixtures/talk.ts'

const say = (...said: string[]): string | undefined => reply(REFLECTION, ...said)

t.test('it says back what it hears, from its own side', async t => {
  for (const [message, heard] of [
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
  ] as const) t.ok(say(message)!.includes(heard), `${message} ${say(message)}`)
})

t.test('names of what every object has are words as others', async t => {
  t.match(say('I am constructor of toString'), /constructor of toString/)
})

t.test('it does not say back more than a line', async t => {
  t.ok(say(`I feel ${'very '.repeat(100)}`)!.length < 200)
  t.notMatch(say('I feel fine\nand so on'), /so on/)
})

t.test('what is said back is no pattern', async t => {
  t.match(say('I am $& and *'), /\$& and \*/)
})

t.test('it has nothing to say on anything else', async t => {
  for (const message of ['the sea', 'what now?']) t.equal(say(message), undefined, message)
})
