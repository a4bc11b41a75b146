import t from 'tap'
import { inBatches } from '../../plugin/redis/batches.ts'

t.test('items are divided in their order', async t => {
  t.strictSame(inBatches([1, 2, 3, 4, 5], 2), [[1, 2], [3, 4], [5]])
  t.strictSame(inBatches([1, 2], 2), [[1, 2]])
  t.strictSame(inBatches([], 2), [])
})
