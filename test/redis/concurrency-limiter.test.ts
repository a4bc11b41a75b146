import t from 'tap'
import { Deferred } from '../../plugin/base/deferred.ts'
import { Gate } from '../../plugin/redis/concurrency-limiter.ts'

t.test('so many are let in at once, and the others in their turn', async t => {
  const gate = new Gate(2, 10)
  const works = Array.from({ length: 5 }, () => new Deferred<string>())
  const begun: number[] = []
  const results = works.map(async (work, number) => await gate.run(async () => {
    begun.push(number)
    return await work.promise
  }))
  t.strictSame(begun, [0, 1])
  works[1]!.resolve('one')
  t.equal(await results[1], 'one')
  t.strictSame(begun, [0, 1, 2])
  works[0]!.reject(new Error('it fails'))
  await t.rejects(results[0]!, { message: 'it fails' })
  t.strictSame(begun, [0, 1, 2, 3], 'who fails makes room as well')
  for (const work of works) work.resolve('x')
  await Promise.all(results.slice(1))
  t.equal(await gate.run(async () => 'again'), 'again')
})

t.test('one more than may wait is refused', async t => {
  const gate = new Gate(1, 1)
  const work = new Deferred<void>()
  const [inside, waiting] = [gate.run(() => work.promise), gate.run(async () => 'its turn')]
  await t.rejects(gate.run(async () => {}), { code: 'SSE_ERR_BROKER_BUSY', statusCode: 503 })
  work.resolve()
  await inside
  t.equal(await waiting, 'its turn')
})
