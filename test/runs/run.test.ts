import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Script } from 'node:vm'
import { EventSource } from 'eventsource'
import type { FastifyInstance, InjectOptions } from 'fastify'
import t from 'tap'
import ts from 'typescript'
import { event, memoryBroker, type SseBroker, type SseEmitter, type SseRun, type SseStreamOptions } from 'fastify-sse-emitter'
import { detailed } from '../fixtures/detailed.ts'
import { build, WARN } from '../fixtures/app.ts'
import { call, decode, type Decoded } from '../fixtures/client.ts'
import { HeldBroker } from '../fixtures/held-broker.ts'
import { manualProducer } from '../fixtures/runs.ts'

/** Adds a route on which clients can watch any run. */
function addWatchRoute (app: FastifyInstance, options: { markers?: boolean } = {}, stream: SseStreamOptions = {}): void {
  app.get<{ Params: { id: string } }>('/:id', async ({ params }, reply) => {
    const run = await app.sse.runs.get(params.id)
    if (run === undefined) return reply.code(404).send()
    const emitter = reply.sse(stream)
    await run.watch(emitter, options)
    return emitter
  })
}

const read = async (url: URL | string, headers: Record<string, string> = {}): Promise<Decoded & { status: number }> => {
  const { status, body } = await call(url, { headers }).readAll()
  return { status, ...decode(body) }
}

const eventsAndData = ({ events }: Decoded): Array<[string | undefined, string]> => events.map(({ event, data }) => [event, data])

const until = async (condition: () => boolean): Promise<void> => { while (!condition()) await new Promise(resolve => { setImmediate(resolve) }) }

t.test('every viewer receives the whole run, and then its stream ends', async t => {
  const { app, logs, listen } = await build(t)
  addWatchRoute(app)
  const url = await listen()
  const producer = manualProducer()
  const { run } = await app.sse.runs.start('a', producer.produce)
  producer.yield(event({ text: 'Hel' }, { event: 'delta' }))
  const earlyViewer = read(new URL('a', url))
  await until(() => run.viewers === 1)
  producer.yield(event({ text: 'lo' }, { event: 'delta' }))
  producer.return({ finishReason: 'stop' })
  const all = [['sse-ready', '{}'], ['delta', '{"text":"Hel"}'], ['delta', '{"text":"lo"}'], ['done', '{"finishReason":"stop"}']]
  t.strictSame(eventsAndData(await earlyViewer), all)
  t.strictSame(eventsAndData(await read(new URL('a', url))), all, 'a viewer that joins after the end')
  await until(() => run.viewers === 0)
  t.equal(run.state, 'done')
  t.equal((await read(new URL('b', url))).status, 404)
  t.strictSame(logs.filter(({ level }) => level >= WARN), [])
})

t.test('a client that reconnects receives the rest, and after the terminal event it gets 204', async t => {
  const { app, listen } = await build(t)
  addWatchRoute(app)
  const url = new URL('a', await listen())
  await app.sse.runs.start('a', () => ['1', '2', '3'])
  const { events } = await read(url)
  const from = async (index: number): Promise<unknown> => {
    const answer = await read(url, { 'last-event-id': events[index]!.id! })
    return answer.status === 200 ? eventsAndData(answer).slice(1).map(([, data]) => data) : answer.status
  }
  t.strictSame(await from(0), ['1', '2', '3', '{}'])
  t.strictSame(await from(2), ['3', '{}'])
  t.strictSame(await from(3), ['{}'])
  t.equal(await from(4), 204)
  const foreign = await read(url, { 'last-event-id': 'another.1-0' })
  t.strictSame(eventsAndData(foreign), [['sse-reset', '{}'], [undefined, '1'], [undefined, '2'], [undefined, '3'], ['done', '{}']])
})

t.test('an EventSource that reconnects receives every event once, and stops after the terminal event', async t => {
  const { app, listen } = await build(t, { retry: 10 })
  addWatchRoute(app)
  const url = new URL('a', await listen())
  const producer = manualProducer()
  const { run } = await app.sse.runs.start('a', producer.produce)
  const statuses: number[] = []
  const source = new EventSource(url, {
    fetch: async (input, init) => {
      const response = await fetch(input, init)
      statuses.push(response.status)
      return response
    }
  })
  t.teardown(() => source.close())
  const texts: string[] = []
  source.addEventListener('message', ({ data }) => { texts.push(data) })
  for (let index = 0; index < 50; index++) {
    producer.yield(String(index))
    await until(() => run.viewers > 0 && texts.length === index + 1)
    if (index % 10 === 9) app.sse.close()
  }
  producer.return()
  while (source.readyState !== EventSource.CLOSED) await once(source, 'error')
  t.strictSame(texts, Array.from({ length: 50 }, (_, index) => String(index)))
  t.equal(statuses.at(-1), 204)
})

t.test('a viewer that reads nothing slows neither the producer nor another viewer', async t => {
  const { app, listen } = await build(t, { stallTimeout: 60_000, maxBuffered: 1_024 })
  addWatchRoute(app)
  const url = new URL('a', await listen())
  const big = 'x'.repeat(10_000)
  const producer = manualProducer()
  const { run } = await app.sse.runs.start('a', producer.produce, { maxBytes: 100_000_000 })
  const stalled = call(url)
  const message = await stalled.response
  message.pause()
  const fastViewer = read(url)
  await until(() => run.viewers === 2)
  for (let count = 0; count < 1_500; count++) producer.yield(big)
  producer.return()
  const { events } = await fastViewer
  t.equal(events.length, 1_502)
  t.equal(run.state, 'done')
  // The stalled viewer has not lost an event.
  let body = ''
  for await (const chunk of message.setEncoding('utf8')) body += chunk
  t.strictSame(decode(body).events.map(({ data }) => data), events.map(({ data }) => data))
})

t.test('a run counts its viewers, and continues when they leave', async t => {
  const { app, listen } = await build(t)
  addWatchRoute(app, { markers: false })
  const url = new URL('a', await listen())
  const producer = manualProducer()
  const { run } = await app.sse.runs.start('a', producer.produce)
  t.equal(run.viewers, 0)
  const [first, second] = [call(url), call(url)]
  await Promise.all([first.response, second.response])
  t.equal(run.viewers, 2)
  first.request.destroy()
  await until(() => run.viewers === 1)
  t.equal(run.state, 'running')
  producer.return()
  t.strictSame(eventsAndData(decode((await second.readAll()).body)), [['done', '{}']], 'without markers')
})

t.test('read() yields the events that clients receive', async t => {
  const { app } = await build(t)
  const { run } = await app.sse.runs.start('a', () => ['1', '2'])
  const texts = async (run: SseRun, after?: string): Promise<string[]> => {
    const texts: string[] = []
    for await (const { id, event, data } of run.read({ after })) texts.push(`${event ?? ''} ${data} ${id.length > 10}`)
    return texts
  }
  t.strictSame(await texts(run), [' 1 true', ' 2 true', 'done {} true'])
  const reading = run.read()[Symbol.asyncIterator]()
  const { value: first } = await reading.next()
  t.equal(run.viewers, 1)
  t.strictSame(await texts(run, first.id), [' 2 true', 'done {} true'])
  await reading.return!()
  t.equal(run.viewers, 0)
})

t.test('a run can be watched in another process than the one that cancels it', async t => {
  const broker = memoryBroker()
  const [first, second] = [await build(t, { broker }), await build(t, { broker })]
  addWatchRoute(second.app)
  const url = new URL('a', await second.listen())
  const producer = manualProducer()
  const { run } = await first.app.sse.runs.start('a', producer.produce)
  producer.yield('x')
  const watching = read(url)
  await until(() => second.app.sse.size === 1)
  const watched = (await second.app.sse.runs.get('a'))!
  await until(() => watched.viewers === 1)
  t.equal(await first.app.sse.runs.cancel('a'), true)
  t.strictSame(eventsAndData(await watching), [['sse-ready', '{}'], [undefined, 'x'], ['aborted', '{"reason":"cancelled"}']])
  t.equal(watched.state, 'aborted', 'as its viewer has received it')
  await until(() => producer.hasEnded())
  t.equal(run.state, 'aborted')
  const { events } = await read(url)
  t.equal((await read(url, { 'last-event-id': events.at(-1)!.id! })).status, 204)
})

t.test('when the server shuts down, viewers receive the reason', async t => {
  const { app, listen } = await build(t)
  addWatchRoute(app)
  const url = new URL('a', await listen())
  const producer = manualProducer()
  await app.sse.runs.start('a', producer.produce)
  producer.yield('x')
  const message = await call(url).response
  let text = ''
  message.setEncoding('utf8').on('data', chunk => { text += chunk })
  await until(() => decode(text).events.length === 2)
  await app.close()
  await until(() => message.readableEnded)
  t.strictSame(eventsAndData(decode(text)).slice(1), [[undefined, 'x'], ['failed', '{"code":"shutdown","message":"The server was shut down","retryable":true}']])
  t.equal(producer.hasEnded(), true)
})

t.test('a value that is not an emitter cannot watch a run, and does not count as a viewer', async t => {
  const { app } = await build(t)
  const { run } = await app.sse.runs.start('a', manualProducer().produce)
  const lookalike = { lastEventId: undefined, onCompletion: () => {}, subscribe: async () => {} }
  for (const [emitter, received] of [[undefined, 'undefined'], ['emitter', '"emitter"'], [lookalike, 'an object']] as const) {
    await t.rejects(run.watch(emitter as unknown as SseEmitter), {
      code: 'SSE_ERR_OPTION', ...detailed(`The emitter passed to run.watch() must be one that reply.sse() returned; received ${received}`)
    })
  }
  t.equal(run.viewers, 0)
})

t.test('a client that disconnects while it begins to watch a run does not crash the process', async t => {
  const unhandled = (): void => { t.fail('unhandled') }
  process.on('unhandledRejection', unhandled)
  t.teardown(() => process.off('unhandledRejection', unhandled))
  const broker = new HeldBroker(memoryBroker())
  const { app, logs, listen } = await build(t, { broker })
  const { run } = await app.sse.runs.start('a', manualProducer().produce)
  app.get('/', (_request, reply) => {
    // Nothing awaits it.
    run.watch(reply.sse())
  })
  const url = await listen()
  const hold = broker.hold('subscribe', 'request')
  const viewer = call(url)
  await hold.reached
  viewer.request.destroy()
  await until(() => app.sse.size === 0)
  hold.release()
  await until(() => run.viewers === 0)
  t.strictSame(logs.filter(({ level }) => level >= WARN), [])
})

t.test('a viewer that sends a run with sendAll() ends as soon as its client disconnects', async t => {
  const { app, listen } = await build(t)
  app.get('/read', async (_request, reply) => {
    const [emitter, run] = [reply.sse(), await app.sse.runs.get('a')]
    emitter.open()
    await emitter.sendAll(run!.read()).catch(() => {})
    return emitter
  })
  const url = new URL('read', await listen())
  const producer = manualProducer()
  const { run } = await app.sse.runs.start('a', producer.produce, { orphanTimeout: 50 })
  const viewer = call(url)
  await viewer.response
  await until(() => run.viewers === 1)
  viewer.request.destroy()
  await until(() => run.viewers === 0 && run.state === 'aborted')
  t.equal(producer.hasEnded(), true)
})

t.test('a run with an invalid option for its viewer answers with an error', async t => {
  const { app, logs, listen } = await build(t)
  const { run } = await app.sse.runs.start('a', () => ['x'])
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    run.watch(emitter, { markrs: true } as object).catch(() => {})
    return emitter
  })
  t.equal((await read(await listen())).status, 500)
  t.equal(run.viewers, 0)
  t.equal(logs.filter(({ level }) => level >= WARN).length, 1)
})

/** Waits until the log of the run `a` is deleted, which may be a moment after the run is forgotten. */
async function untilDeleted (broker: SseBroker): Promise<void> {
  while ((await broker.replay('run:a', undefined, 1)).entries.length > 0) await new Promise(resolve => { setImmediate(resolve) })
}

t.test('a viewer of a run that has been deleted gets 410', async t => {
  const broker = memoryBroker()
  const { app, listen } = await build(t, { broker })
  const { run } = await app.sse.runs.start('a', () => ['x'], { retention: 1 })
  await until(() => app.sse.runs.size === 0)
  await untilDeleted(broker)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await run.watch(emitter)
    return emitter
  })
  t.equal((await read(await listen())).status, 410)
  await t.rejects(run.read()[Symbol.asyncIterator]().next(), { code: 'SSE_ERR_RUN_FORGOTTEN' })
})

t.test('a viewer of a run whose first events have been deleted receives no event and an error', async t => {
  class DeletingBroker extends HeldBroker {
    override async replay (...args: Parameters<HeldBroker['replay']>): ReturnType<HeldBroker['replay']> {
      const page = await super.replay(...args)
      return { ...page, entries: page.entries.slice(2) }
    }
  }
  const { app, listen } = await build(t, { broker: new DeletingBroker(memoryBroker()) })
  const producer = manualProducer()
  const { run } = await app.sse.runs.start('a', producer.produce)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await run.watch(emitter)
    return emitter
  })
  for (const item of ['1', '2', '3']) producer.yield(item)
  const url = await listen()
  await until(() => app.sse.runs.list()[0]!.events === 3)
  t.match(eventsAndData(await read(url)), [['sse-ready', '{}'], ['sse-error', /SSE_ERR_RUN_FORGOTTEN/]])
  producer.return()
})

t.test('a run that is deleted before its viewer has read it ends the stream', async t => {
  const broker = new HeldBroker(memoryBroker())
  const { app, listen } = await build(t, { broker })
  const { run } = await app.sse.runs.start('a', () => ['x'], { retention: 300 })
  await until(() => run.state === 'done')
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    run.watch(emitter).catch(() => {})
    return emitter
  })
  const url = await listen()
  const hold = broker.hold('subscribe', 'request')
  const viewer = read(url)
  await hold.reached
  await until(() => app.sse.runs.size === 0)
  await untilDeleted(broker)
  hold.release()
  t.strictSame((await viewer).events.map(({ event }) => event), ['sse-ready', 'sse-error'])
})

t.test('another user cannot watch a run that has an owner', async t => {
  const { app } = await build(t)
  const page = readFileSync(new URL('../../docs/runs.md', import.meta.url), 'utf8')
  const [, recipe] = /## Access control\n[^]*?```ts\n([^]*?)```/.exec(page)!
  const define = new Script(`(app, requireUser) => {${ts.transpile(recipe!, { target: ts.ScriptTarget.ES2022 })}}`).runInThisContext()
  app.addHook('onRequest', async request => { Object.assign(request, { session: { userId: request.headers.cookie } }) })
  define(app, async () => {})
  const [anna, ben] = ['anna', 'ben'].map(cookie => ({ headers: { cookie } })) as [InjectOptions, InjectOptions]
  await app.sse.runs.start('1', () => ['secret'], { owner: 'anna' })
  const watched = await app.inject({ url: '/my/runs/1', ...anna })
  t.strictSame([watched.statusCode, decode(watched.body).events.map(({ data }) => data)], [200, ['{}', 'secret', '{}']])
  for (const url of ['/my/runs/1', '/my/runs/2']) {
    const { statusCode, body } = await app.inject({ url, ...ben })
    t.strictSame([statusCode, body], [404, ''], url)
  }
})

t.test('two viewers, a reload, a cancellation and the return of the producer at once: all viewers receive the same single end', async t => {
  const shared = memoryBroker()
  const brokers = [new HeldBroker(shared), new HeldBroker(shared)] as const
  const [producing, other] = [await build(t, { broker: brokers[0] }), await build(t, { broker: brokers[1] })]
  for (const { app } of [producing, other]) addWatchRoute(app)
  const origins = [await producing.listen(), await other.listen()] as const
  const steps = (['publish', 'subscribe', 'replay'] as const).flatMap(method => (['request', 'response'] as const).flatMap(moment => brokers.map((broker, index) => ({ broker, index, method, moment }))))
  for (const { broker, index, method, moment } of steps) {
    const id = `${method}-${moment}-${index}`
    const urls = origins.map(origin => new URL(id, origin)) as [URL, URL]
    const producer = manualProducer()
    await producing.app.sse.runs.start(id, producer.produce)
    producer.yield('1')
    const viewers = urls.map(url => read(url))
    const reloaded = call(urls[1])
    await reloaded.response
    await until(() => producing.app.sse.size === 1 && other.app.sse.size === 2)

    const hold = broker.hold(method, moment)
    const cancelling = other.app.sse.runs.cancel(id)
    reloaded.request.destroy()
    viewers.push(read(urls[1]), read(urls[0]))
    producer.return()
    await Promise.race([hold.reached, Promise.all(viewers)])
    await new Promise(resolve => { setImmediate(resolve) })
    hold.release()
    t.equal(await cancelling, true)

    viewers.push(read(urls[0]), read(urls[1]))
    const received = (await Promise.all(viewers)).map(viewer => eventsAndData(viewer))
    t.match(received[0], [['sse-ready', '{}'], [undefined, '1'], [/^(done|aborted)$/, /./]], id)
    t.equal(received[0]!.length, 3)
    for (const events of received) t.strictSame(events, received[0], id)
    await until(() => producing.app.sse.size + other.app.sse.size === 0)
  }
})
