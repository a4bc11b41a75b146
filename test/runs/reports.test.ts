import t from 'tap'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { record } from '../fixtures/diagnostics.ts'
import { createRuns, manualProducer, settle } from '../fixtures/runs.ts'

t.test('each run whose producer is called is reported when it starts and when it ends', async t => {
  const [started, ended] = [record(t, 'fastify-sse-emitter:run:start'), record(t, 'fastify-sse-emitter:run:end')]
  const { runs } = createRuns()
  const producer = manualProducer()
  await runs.start('a', producer.produce)
  await runs.start('a', producer.produce)
  producer.yield('x')
  producer.return({ tokens: 1 })
  await settle()
  await runs.start('b', () => { throw new Error('Refused') }, { owner: 'ann' })
  await settle()
  await runs.cancel('b', { owner: 'ann' })
  t.strictSame(started, [{ id: 'a', owner: undefined }, { id: 'b', owner: 'ann' }])
  t.match(ended, [
    { id: 'a', state: 'done', data: '{"tokens":1}', events: 1, duration: Number },
    { id: 'b', owner: 'ann', state: 'failed', events: 0, duration: Number }
  ])
  t.match(JSON.parse(ended[1]!.data), { code: 'producer_failed' })
  t.equal(ended.length, 2)
})

t.test('a run that ends before its producer is called is not reported', async t => {
  const [started, ended] = [record(t, 'fastify-sse-emitter:run:start'), record(t, 'fastify-sse-emitter:run:end')]
  const { runs } = createRuns()
  const starting = runs.start('a', () => { throw new Error('Called') })
  const closing = runs.close()
  await t.rejects(starting, { code: 'SSE_ERR_RUNS_CLOSED' })
  await closing
  t.equal(runs.list()[0]!.state, 'failed')
  t.strictSame([started, ended], [[], []])
})

t.test('a run that another process cancels is reported by the one that produces it', async t => {
  const ended = record(t, 'fastify-sse-emitter:run:end')
  const broker = memoryBroker()
  const [first, second] = [createRuns(broker), createRuns(broker)]
  await first.runs.start('a', manualProducer().produce)
  await second.runs.cancel('a')
  await settle()
  t.match(ended, [{ id: 'a', state: 'aborted', data: '{"reason":"cancelled"}', events: 0, duration: Number }])
  t.equal(ended.length, 1)
})
