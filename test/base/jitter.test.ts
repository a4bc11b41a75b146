import t from 'tap'
import { jitter } from '../../plugin/base/jitter.ts'

t.test('a delay is varied by up to half of itself', async t => {
  t.intercept(Math, 'random', { value: () => 0 })
  t.equal(jitter(1_001), 501)
  t.intercept(Math, 'random', { value: () => 1 - Number.EPSILON })
  t.equal(jitter(1_000), 1_500)
  t.equal(jitter(0), 0)
})

t.test('the longest delay stays an integer that can be sent', async t => {
  t.intercept(Math, 'random', { value: () => 0.9 })
  t.equal(jitter(Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER)
})
