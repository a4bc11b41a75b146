import t from 'tap'
import { DeliveryStatistics, MAX_SAMPLES, SAMPLE_INTERVAL } from '../../../server/market/delivery-statistics.ts'

t.test('an event and its bytes are counted once for each subscriber', async t => {
  const statistics = new DeliveryStatistics()
  statistics.count(3, 100)
  statistics.count(0, 1_000)
  statistics.count(2, 10)
  t.strictSame(statistics.sample(5_000, 7), { time: 5_000, clients: 7, delivered: 5, bytes: 320 })
})

t.test('a sample is taken at most once a second', async t => {
  const statistics = new DeliveryStatistics()
  t.ok(statistics.sample(0, 1))
  t.equal(statistics.sample(SAMPLE_INTERVAL - 1, 2), undefined)
  t.strictSame(statistics.sample(SAMPLE_INTERVAL, 3), { time: SAMPLE_INTERVAL, clients: 3, delivered: 0, bytes: 0 })
  t.strictSame(statistics.list().map(({ clients }) => clients), [1, 3])
})

t.test('only the newest samples are kept', async t => {
  const statistics = new DeliveryStatistics()
  for (let index = 0; index < MAX_SAMPLES + 5; index++) statistics.sample(index * SAMPLE_INTERVAL, index)
  const list = statistics.list()
  t.equal(list.length, MAX_SAMPLES)
  t.strictSame([list[0]!.clients, list.at(-1)!.clients], [5, MAX_SAMPLES + 4])
})
