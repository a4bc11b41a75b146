import t from 'tap'
import { Deferred } from '../../plugin/base/deferred.ts'
import { ConcurrencyLimiter } from '../../plugin/redis/concurrency-limiter.ts'

t.test('a limited number of tasks run at once, and the others in their turn', async t => {
  const limiter = new ConcurrencyLimiter(2, 10)
  const tasks = Array.from({ length: 5 }, () => new Deferred<string>())
  const started: number[] = []
  const results = tasks.map(async (task, number) => await limiter.run(async () => {
    started.push(number)
    return await task.promise
  }))
  t.strictSame(started, [0, 1])
  tasks[1]!.resolve('one')
  t.equal(await results[1], 'one')
  t.strictSame(started, [0, 1, 2])
  tasks[0]!.reject(new Error('failed'))
  await t.rejects(results[0]!, { message: 'failed' })
  t.strictSame(started, [0, 1, 2, 3], 'a task that fails makes room as well')
  for (const task of tasks) task.resolve('x')
  await Promise.all(results.slice(1))
  t.equal(await limiter.run(async () => 'again'), 'again')
})

t.test('a task is rejected if too many are waiting', async t => {
  const limiter = new ConcurrencyLimiter(1, 1)
  const task = new Deferred<void>()
  const [running, waiting] = [limiter.run(() => task.promise), limiter.run(async () => 'its turn')]
  await t.rejects(limiter.run(async () => {}), { code: 'SSE_ERR_BROKER_BUSY', statusCode: 503 })
  task.resolve()
  await running
  t.equal(await waiting, 'its turn')
})
