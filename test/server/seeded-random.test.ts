import t from 'tap'
import { Deck, SeededRandom } from '../../server/seeded-random.ts'

const draw = (seed: string, count = 1_000): number[] => {
  const random = new SeededRandom(seed)
  return Array.from({ length: count }, () => random.next())
}

t.test('a seed determines the numbers', async t => {
  t.strictSame(draw('a'), draw('a'))
  t.notSame(draw('a'), draw('b'))
  t.notSame(draw('a'), draw(''))
})

t.test('numbers are evenly distributed from 0 to 1', async t => {
  const numbers = draw('a')
  t.ok(numbers.every(number => number >= 0 && number < 1))
  for (let tenth = 0; tenth < 10; tenth++) {
    const share = numbers.filter(number => Math.floor(number * 10) === tenth).length
    t.ok(share > 60 && share < 140, `${share} of 1000 in tenth ${tenth}`)
  }
})

t.test('below and pick return every allowed value and no other', async t => {
  const random = new SeededRandom('a')
  const times = Array.from({ length: 200 })
  t.strictSame(new Set(times.map(() => random.below(3))), new Set([0, 1, 2]))
  t.strictSame(new Set(times.map(() => random.pick(['x', 'y']))), new Set(['x', 'y']))
})

t.test('a deck deals each item once before repeating any', async t => {
  const deck = new Deck(['a', 'b', 'c', 'd'], new SeededRandom('a'))
  const rounds = Array.from({ length: 20 }, () => [deck.draw(), deck.draw(), deck.draw(), deck.draw()])
  for (const round of rounds) t.strictSame(round.toSorted(), ['a', 'b', 'c', 'd'])
  t.ok(new Set(rounds.map(String)).size > 5, 'the order varies')
})
