import fc from 'fast-check'
import t from 'tap'
import { countTokens, tokens } from '../../../server/model/tokens.ts'

t.test('a text is split roughly as a language model would split it', async t => {
  t.strictSame([...tokens('Hello, world! It is 12345.')], ['Hello', ',', ' world', '!', ' It', ' is', ' 123', '45', '.'])
  t.strictSame([...tokens('conversation\n\n  - a **b**')], ['convers', 'ation', '\n\n  ', '-', ' a', ' **', 'b', '**'])
  t.strictSame([...tokens('')], [])
})

t.test('tokens join to the text, and none is empty, too long or half a character', async () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 50 }), text => {
    const all = [...tokens(text)]
    return all.join('') === text && all.every(token => token !== '' && [...token].length <= 8 && !/^\p{Surrogate}|\p{Surrogate}$/u.test(token))
  }))
  fc.assert(fc.property(fc.array(fc.constantFrom('a', ' ', '\n', 'ü', '7', '!', '🎏', '\ud800', '語')), pieces => [...tokens(pieces.join(''))].join('') === pieces.join('')))
})

t.test('counting tokens stops above the limit', async t => {
  t.equal(countTokens('one two three'), 3)
  t.equal(countTokens(''), 0)
  t.equal(countTokens('one two three', 3), 3)
  t.equal(countTokens('one two three', 1), 2, 'more than 1')
})
