import { randomInt } from 'node:crypto'
import t from 'tap'
import { fuzz } from '../fixtures/fuzz/fuzz.ts'

const seed = randomInt(2 ** 31)

t.test(`random events, publications, deliveries, answers of models and requests are handled (seed ${seed})`, async t => {
  const counts = await fuzz({ seed, duration: 30_000 })
  t.comment(JSON.stringify(counts))
  t.strictSame(Object.keys(counts).sort(), ['broker', 'delivery', 'http', 'models', 'wire'])
})
