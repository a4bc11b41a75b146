import t from 'tap'
import { SeededRandom } from '../../plugin/testing/seeded-random.ts'

const numbers = (seed: number): number[] => {
  const random = new SeededRandom(seed)
  return Array.from({ length: 1_000 }, () => random.below(10))
}

t.test('the same seed generates the same numbers', async t => {
  t.strictSame(numbers(1), numbers(1))
  t.notSame(numbers(1), numbers(2))
  t.equal(new SeededRandom(7).seed, 7)
})

t.test('all numbers below the limit occur about equally often', async t => {
  for (let number = 0; number < 10; number++) {
    const count = numbers(1).filter(one => one === number).length
    t.ok(count > 50 && count < 150, `${number} occurs ${count} times`)
  }
  t.equal(new Set(numbers(1)).size, 10)
})

t.test('pick() returns each of its arguments', async t => {
  const random = new SeededRandom(1)
  t.strictSame([...new Set(Array.from({ length: 100 }, () => random.pick('a', 'b', 'c')))].sort(), ['a', 'b', 'c'])
})

t.test('some pauses end in the same turn of the event loop, others later', async t => {
  const random = new SeededRandom(1)
  const sameTurn: boolean[] = []
  for (let count = 0; count < 50; count++) {
    let isSameTurn = true
    const immediate = setImmediate(() => { isSameTurn = false })
    await random.pause()
    clearImmediate(immediate)
    sameTurn.push(isSameTurn)
  }
  t.ok(sameTurn.includes(true))
  t.ok(sameTurn.includes(false))
})
