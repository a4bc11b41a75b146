import { context, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import t from 'tap'
import { build } from '../fixtures/app.ts'
import { call } from '../fixtures/client.ts'
import { record } from '../fixtures/diagnostics.ts'
import { blocksOf, runBlock } from '../fixtures/doc-blocks.ts'
import { until } from '../fixtures/until.ts'

const PAGE = 'docs/observability.md'

t.test('a span covers the life of a stream, as a child of the span of its request', async t => {
  const exporter = new InMemorySpanExporter()
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
  const [recipe] = blocksOf(PAGE, 'OpenTelemetry')
  await runBlock(recipe!, {})
  // Receives messages after the recipe.
  const slow = record(t, 'fastify-sse-emitter:stream:slow')

  const { app, listen } = await build(t, { maxBuffered: 64 * 1024 * 1024, stallTimeout: 2_000 })
  const tracer = trace.getTracer('requests')
  // As HTTP instrumentation does.
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.headers['x-traced'] === undefined) return done()
    const span = tracer.startSpan(request.url)
    span.end()
    context.with(trace.setSpan(ROOT_CONTEXT, span), done)
  })
  app.get('/a/:id', async (_request, reply) => {
    const emitter = reply.sse()
    emitter.onCompletion(() => tracer.startSpan('in onCompletion').end())
    await emitter.subscribe(app.sse.channel('news'))
    // More than the buffers of the operating system hold.
    for (let sent = 0; sent < 30; sent++) emitter.send('x'.repeat(1_000_000))
    return reply
  })
  app.get('/b', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.send('x')
    throw new Error('Refused')
  })
  app.get('/c', async (_request, reply) => { reply.sse().completeWithError(new Error('Refused')) })

  const ended = (name: string): ReturnType<typeof exporter.getFinishedSpans> => exporter.getFinishedSpans().filter(span => span.name === name)
  const { request, response } = call(new URL('/a/1', await listen()), { headers: { 'x-traced': '1', 'last-event-id': 'unknown' } })
  request.on('error', () => {})
  await response
  t.equal(ended('event stream').length, 0)
  await until(() => slow.length > 0, 'the client is slow')
  request.destroy()
  await until(() => ended('in onCompletion').length === 1, 'the stream is closed')
  const [parent] = ended('/a/1')
  const [stream] = ended('event stream')
  t.match(stream!.attributes, { 'http.route': '/a/:id', 'sse.last_event_id': 'unknown', 'sse.reason': 'client', 'sse.events': 30, 'sse.bytes': Number })
  t.strictSame(stream!.events.map(({ name }) => name).slice(0, 2), ['reset', 'slow'])
  t.match(stream!.events.map(({ attributes }) => attributes).slice(0, 2), [{ 'sse.channels': ['news'] }, { 'sse.queued': Number }])
  t.equal(stream!.status.code, SpanStatusCode.UNSET)
  for (const span of [stream!, ended('in onCompletion')[0]!]) {
    t.equal(span.spanContext().traceId, parent!.spanContext().traceId)
    t.equal(span.parentSpanContext?.spanId, parent!.spanContext().spanId)
  }

  exporter.reset()
  await app.inject('/b')
  await app.inject('/c')
  await until(() => app.sse.size === 0, 'the streams are closed')
  t.strictSame(ended('event stream').map(({ attributes, status, parentSpanContext }) => [attributes['sse.reason'], status.code, parentSpanContext]), [['error', SpanStatusCode.ERROR, undefined]])
})

t.test('a subscriber of a diagnostics channel receives typed messages', async t => {
  const { app, logs } = await build(t)
  const [example] = blocksOf(PAGE, 'Diagnostics channels')
  await runBlock(example!, {})
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.send('x')
    emitter.complete()
    return reply
  })
  await app.inject('/?a')
  await until(() => app.sse.size === 0, 'the stream is closed')
  t.match(logs.filter(line => 'duration' in line), [{ route: '/', reason: 'complete', duration: Number }])
})

t.test('the line of a stream has the fields that the page shows', async t => {
  const { app, logs } = await build(t, { connectionKey: () => 'user-7' })
  app.get('/chat/:room', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.send('x')
    emitter.complete()
    return reply
  })
  await app.inject('/chat/1')
  await until(() => app.sse.size === 0, 'the stream is closed')
  const [text] = blocksOf(PAGE, 'Logs', 'json')
  const shown = JSON.parse(text!)
  const line = logs.find(({ msg }) => msg === shown.msg)!
  t.match(line, { ...shown, sse: { ...shown.sse, reason: 'complete', events: 1, bytes: 8, duration: Number } })
  t.strictSame(Object.keys(line.sse!), Object.keys(shown.sse))
})
