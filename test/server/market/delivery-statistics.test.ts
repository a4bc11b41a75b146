import t from 'tap'
import { SAMPLE, SAMPLES, Statistics } from '../../../server/market/delivery-statistics.ts'

t.test('counts an event once for each who follows, and its bytes as often', async t => {
  const statistics = new Statistics()
  statistics.count(3, 100)
  statistics.count(0, 1_000)
  statistics.count(2, 10)
  t.strictSame(statistics.sample(5_000, 7), { time: 5_000, clients: 7, delivered: 5, bytes: 320 })
})

t.test('has something to say once a second', async t => {
  const statistics = new Statistics()
  t.ok(statistics.sample(0, 1))
  t.equal(statistics.sample(SAMPLE - 1, 2), undefined)
  t.strictSame(statistics.sample(SAMPLE, 3), { time: SAMPLE, clients: 3, delivered: 0, bytes: 0 })
  t.strictSame(statistics.list().map(({ clients }) => clients), [1, 3])
})

t.test('keeps the newest samples', async t => {
  const statistics = new Statistics()
  for (let index = 0; index < SAMPLES + 5; index++) statistics.sample(index * SAMPLE, index)
  const list = statistics.list()
  t.equal(list.length, SAMPLES)
  t.strictSame([list[0]!.clients, list.at(-1)!.clients], [5, SAMPLES + 4])
})
