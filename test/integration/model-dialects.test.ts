import { randomInt } from 'node:crypto'
import t from 'tap'
import { fuzz } from '../fixtures/fuzz/fuzz.ts'

const seed = randomInt(2 ** 31)

t.test(`an answer is the same in every dialect, and never finishes if it is cut or fails (seed ${seed})`, async t => {
  const { models } = await fuzz({ seed, duration: 1_500, only: 'models' })
  t.comment(`${models} answers`)
  t.ok(models! > 0)
})
