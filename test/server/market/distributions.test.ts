import t from 'tap'
import { exponential, normal } from '../../../server/market/distributions.ts'
import { SeededRandom } from '../../../server/seeded-random.ts'

const COUNT = 20_000

function draw (seed: string, sample: (random: SeededRandom) => number): number[] {
  const random = new SeededRandom(seed)
  return Array.from({ length: COUNT }, () => sample(random))
}

const mean = (numbers: number[]): number => numbers.reduce((total, number) => total + number, 0) / numbers.length

t.test('exponential samples are non-negative, with mean 1 and median ln 2', async t => {
  const numbers = draw('a', exponential)
  t.ok(numbers.every(number => number >= 0 && Number.isFinite(number)))
  t.ok(Math.abs(mean(numbers) - 1) < 0.03)
  t.ok(Math.abs(numbers.filter(number => number < Math.LN2).length / COUNT - 0.5) < 0.01)
})

t.test('normal samples have mean 0 and standard deviation 1, and 68 percent lie within it', async t => {
  const numbers = draw('b', normal)
  t.ok(Math.abs(mean(numbers)) < 0.02)
  t.ok(Math.abs(mean(numbers.map(number => number ** 2)) - 1) < 0.03)
  t.ok(Math.abs(numbers.filter(number => Math.abs(number) < 1).length / COUNT - 0.683) < 0.01)
})
