import { readFileSync } from 'node:fs'
import fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import sse, { memoryBroker } from 'fastify-sse-emitter'
import { metrics } from '../../server/metrics.ts'
import { build } from '../fixtures/app.ts'
import { call } from '../fixtures/client.ts'
import { buildDemo } from '../fixtures/demo.ts'
import { blocksOf, runBlock } from '../fixtures/doc-blocks.ts'
import { until } from '../fixtures/until.ts'

/** Reads `/metrics`. @returns the values of the metrics of this package, except those that depend on time */
async function read (app: FastifyInstance): Promise<Record<string, number>> {
  const { headers, body } = await app.inject('/metrics')
  t.match(headers['content-type'], /^text\/plain; version=0\.0\.4/)
  const values = Array.from(body.matchAll(/^(sse_[^ ]+) (.+)$/gm), ([, name, value]) => [name!, Number(value)] as const)
  return Object.fromEntries(values.filter(([name]) => !/_bucket|_seconds_sum/.test(name)))
}

t.test('the module is the one that the page on observability shows', async t => {
  const [module] = blocksOf('docs/observability.md', 'Prometheus')
  t.equal(module, readFileSync(new URL('../../server/metrics.ts', import.meta.url), 'utf8'))
})

t.test('metrics of the application and of Redis are served, too', async t => {
  const app = fastify()
  t.teardown(() => app.close())
  const { REDIS_URL } = process.env
  t.teardown(() => { if (REDIS_URL !== undefined) process.env.REDIS_URL = REDIS_URL })
  // No server listens on this port.
  process.env.REDIS_URL = 'redis://127.0.0.1:1'
  const [, recipe] = blocksOf('docs/observability.md', 'Prometheus')
  await runBlock(recipe!, { app, sse, metrics })
  await until(async () => (await read(app)).sse_redis_errors_total! > 0, 'connecting fails')
  t.match(await read(app), { sse_redis_ready: 0, sse_streams: 0 })
})

t.test('the metrics count streams, publications and runs', async t => {
  const broker = memoryBroker()
  const publish = broker.publish.bind(broker)
  let isBroken = false
  // eslint-disable-next-line prefer-promise-reject-errors -- a broker may do that
  broker.publish = (...args) => isBroken ? Promise.reject() : publish(...args)
  const { app, listen } = await build(t, { broker, connectionKey: ({ ip }) => ip, maxConnectionsPerKey: 1 })
  await app.register(metrics)
  const news = app.sse.channel('news', { history: { count: 1 } })
  app.get<{ Params: { name: string } }>('/news/:name', async (_request, reply) => {
    await reply.sse().subscribe(news)
    return reply
  })
  app.get('/nothing', async (_request, reply) => {
    reply.sse()
    throw new Error('Refused')
  })
  const ids: string[] = []
  for (const data of ['1', '2', '3']) ids.push((await news.publish(data)).id)
  await t.rejects(news.publish('x', { event: 'a\nb' }))
  isBroken = true
  await news.publish('x').then(() => t.fail(), () => {})
  isBroken = false

  const url = await listen()
  const { request, response } = call(new URL('/news/1', url), { headers: { 'last-event-id': ids[0]! } })
  request.on('error', () => {})
  ;(await response).resume()
  t.equal((await fetch(new URL('/news/2', url))).status, 429)
  t.match(await read(app), { sse_streams: 1, sse_queued_bytes: 0, 'sse_streams_opened_total{route="/news/:name"}': 1 })
  request.destroy()
  await until(() => app.sse.size === 0, 'the client has disconnected')
  await fetch(new URL('/news/1', url), { method: 'HEAD' })
  await app.inject('/nothing')
  await app.inject({ url: '/news/1', headers: { accept: 'text/html' } })

  await app.sse.runs.start('1', () => ['x'])
  await app.sse.runs.start('2', () => { throw new Error('Refused') })
  await app.sse.runs.start('3', async function * () { await new Promise(() => {}) })
  await until(() => app.sse.runs.list().filter(({ state }) => state === 'running').length === 1, 'two runs have ended')
  t.strictSame(await read(app), {
    sse_streams: 0,
    sse_queued_bytes: 0,
    sse_runs: 1,
    'sse_streams_opened_total{route="/news/:name"}': 1,
    'sse_streams_closed_total{route="/news/:name",reason="client"}': 1,
    'sse_streams_refused_total{code="SSE_ERR_FULL_FOR_KEY"}': 1,
    'sse_streams_refused_total{code="SSE_ERR_NOT_ACCEPTABLE"}': 1,
    'sse_stream_duration_seconds_count{route="/news/:name"}': 1,
    'sse_events_sent_total{route="/news/:name"}': 1,
    'sse_bytes_sent_total{route="/news/:name"}': (await read(app))['sse_bytes_sent_total{route="/news/:name"}'],
    sse_slow_total: 0,
    'sse_gaps_total{type="gap"}': 1,
    sse_publish_duration_seconds_count: 3,
    'sse_publish_errors_total{code="SSE_ERR_EVENT"}': 1,
    'sse_publish_errors_total{code="unknown"}': 1,
    sse_runs_started_total: 3,
    'sse_runs_ended_total{state="done",code=""}': 1,
    'sse_runs_ended_total{state="failed",code="producer_failed"}': 1
  })
  t.ok((await read(app))['sse_bytes_sent_total{route="/news/:name"}']! > 20)
})

t.test('resets and slow clients are counted', async t => {
  const { app, listen } = await build(t, { maxBuffered: 64 * 1024 * 1024, stallTimeout: 2_000 })
  await app.register(metrics)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.subscribe(app.sse.channel('news'))
    // More than the buffers of the operating system hold.
    for (let sent = 0; sent < 30; sent++) emitter.send('x'.repeat(1_000_000))
    return reply
  })
  const { request, response } = call(await listen(), { headers: { 'last-event-id': 'unknown' } })
  request.on('error', () => {})
  await response
  await until(async () => (await read(app)).sse_slow_total! > 0, 'the client is slow')
  const values = await read(app)
  t.equal(values['sse_gaps_total{type="reset"}'], 1)
  t.ok(values.sse_queued_bytes! > 1_000_000)
  request.destroy()
})

t.test('a stream without a route has the label `none`', async t => {
  const { app } = await build(t)
  await app.register(metrics)
  app.setNotFoundHandler((_request, reply) => {
    const emitter = reply.sse()
    emitter.send('x')
    emitter.complete()
  })
  await app.inject('/unknown')
  await until(() => app.sse.size === 0, 'the stream is closed')
  t.match(await read(app), { 'sse_streams_opened_total{route="none"}': 1, 'sse_streams_closed_total{route="none",reason="complete"}': 1 })
})

t.test('the metrics of an application that is closed no longer change', async t => {
  const { app } = await build(t)
  await app.register(metrics)
  await app.sse.channel('news').publish('x')
  const before = await read(app)
  const { app: other } = await build(t)
  await app.close()
  await other.sse.channel('news').publish('x')
  t.equal(before.sse_publish_duration_seconds_count, 1)
  const { hasSubscribers } = (await import('node:diagnostics_channel')).channel('fastify-sse-emitter:channel:publish')
  t.equal(hasSubscribers, false)
})

t.test('the demo serves /metrics with METRICS_TOKEN, and not without', async t => {
  const app = await buildDemo(t, { METRICS_TOKEN: 's3cret' })
  const refused = await app.inject('/metrics')
  t.equal(refused.statusCode, 401)
  t.match(refused.json(), { code: 'TOKEN_REQUIRED', message: 'Reading metrics requires the bearer token set by METRICS_TOKEN' })
  const { statusCode, body } = await app.inject({ url: '/metrics', headers: { authorization: 'Bearer s3cret' } })
  t.equal(statusCode, 200)
  t.match(body, /^sse_streams 0$/m)
  t.match(body, /^nodejs_eventloop_lag_p99_seconds /m)
  t.equal((await app.inject('/healthz')).statusCode, 200, 'other routes need no token')
  t.equal((await (await buildDemo(t, {})).inject('/metrics')).statusCode, 404)
})
