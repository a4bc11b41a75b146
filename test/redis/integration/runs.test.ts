import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { EventSource } from 'eventsource'
import t, { type Test } from 'tap'
import type { SseRun } from '../../../plugin/runs/run.ts'
import { build, sleep } from '../../fixtures/app.ts'
import { eventually } from '../../fixtures/eventually.ts'
import { suiteWith } from '../../fixtures/programs.ts'
import { manualProducer } from '../../fixtures/runs.ts'
import { TcpProxy } from '../../fixtures/tcp-proxy.ts'
import { openBroker } from '../../fixtures/redis-broker.ts'
import { RedisServer } from '../../fixtures/redis-server.ts'

const PRODUCER = fileURLToPath(new URL('../../fixtures/producer-main.ts', import.meta.url))
const PRODUCER_LOST = { code: 'producer_lost', retryable: true }

/** Starts a process that produces a run. */
async function startProducer (t: Test, { url }: RedisServer, id: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [...process.execArgv, PRODUCER, url, id], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

/** What a client has received of a run. */
interface Received { numbers: number[], ends: Array<[type: string, data: unknown]>, closed: boolean }

/** Watches a run as a client does. */
function watch (t: Test, url: URL): Received {
  const received: Received = { numbers: [], ends: [], closed: false }
  const source = new EventSource(url)
  t.teardown(() => source.close())
  source.addEventListener('message', ({ data }) => received.numbers.push(JSON.parse(data).number))
  for (const type of ['done', 'failed', 'aborted']) source.addEventListener(type, ({ data }) => received.ends.push([type, JSON.parse(data)]))
  source.addEventListener('error', () => { received.closed = source.readyState === EventSource.CLOSED })
  return received
}

const starts = async (received: Received): Promise<void> => await eventually(() => { assert.ok(received.numbers.length >= 5) })
const closes = async (received: Received): Promise<void> => await eventually(() => { assert.ok(received.closed) })
const isConsecutive = (numbers: number[]): boolean => numbers.every((number, index) => number === index + 1)

/** Starts an application that produces nothing, where clients can watch runs of other processes. */
async function startViewer (t: Test, server: RedisServer) {
  const { app, listen } = await build(t, { broker: openBroker(t, server) })
  app.get<{ Params: { id: string } }>('/:id', async ({ params: { id } }, reply) => {
    const run: SseRun | undefined = await app.sse.runs.get(id)
    const emitter = reply.sse({ retry: 10 })
    await run!.watch(emitter)
    return emitter
  })
  return { app, url: await listen() }
}

suiteWith(t, 'redis-server', 'runs of several processes on one Redis', async (t, program) => {
  const server = await RedisServer.start(t, program)
  // Each test waits several seconds until a process counts as lost.
  t.jobs = 3
  const test = (name: string, body: (t: Test) => Promise<void>) => t.test(name, { buffered: true }, body)

  test('a run can be watched and cancelled from another process', async t => {
    const { app, url } = await startViewer(t, server)
    await startProducer(t, server, 'cancelled')
    const received = watch(t, new URL('cancelled', url))
    await starts(received)
    t.equal(await app.sse.runs.cancel('cancelled'), true)
    await closes(received)
    t.strictSame(received.ends, [['aborted', { reason: 'cancelled' }]])
    t.ok(isConsecutive(received.numbers))
    const { length } = received.numbers
    await sleep(300)
    t.equal(received.numbers.length, length)
  })

  test('if the producing process is killed, the run fails for every viewer within 15 seconds', async t => {
    const viewers = [await startViewer(t, server), await startViewer(t, server)]
    const child = await startProducer(t, server, 'killed')
    const all = viewers.map(({ url }) => watch(t, new URL('killed', url)))
    for (const received of all) await starts(received)
    child.kill('SIGKILL')
    const killedAt = performance.now()
    for (const received of all) await closes(received)
    t.ok(performance.now() - killedAt < 15_000, `${performance.now() - killedAt} ms`)
    for (const { numbers, ends } of all) {
      t.ok(isConsecutive(numbers))
      t.match(ends, [['failed', PRODUCER_LOST]])
      t.equal(ends.length, 1)
    }
    const late = watch(t, new URL('killed', viewers[0]!.url))
    await closes(late)
    t.strictSame(late, all[0], 'a later viewer receives the same')
  })

  test('a process that was paused for too long can add nothing to its run', async t => {
    const { url } = await startViewer(t, server)
    const child = await startProducer(t, server, 'paused')
    const received = watch(t, new URL('paused', url))
    await starts(received)
    child.kill('SIGSTOP')
    await closes(received)
    child.kill('SIGCONT')
    await sleep(1_000)
    const later = watch(t, new URL('paused', url))
    await closes(later)
    t.strictSame(later, received)
    t.match(received.ends, [['failed', PRODUCER_LOST]])
    t.equal(received.ends.length, 1)
  })
})

suiteWith(t, 'redis-server', 'runs through outages of Redis', async (t, program) => {
  t.jobs = 4
  const test = (name: string, body: (t: Test) => Promise<void>) => t.test(name, { buffered: true }, body)

  /** Starts a process that produces the run `a`, and another one in which a client watches it. */
  async function setup (t: Test, server: { readonly url: string }, other = server) {
    const broker = openBroker(t, server)
    const { app, logs } = await build(t, { broker })
    const viewer = await startViewer(t, other as RedisServer)
    const producer = manualProducer()
    await eventually(() => { assert.ok(broker.ready) })
    const { run } = await app.sse.runs.start('a', producer.produce)
    const received = watch(t, new URL('a', viewer.url))
    let count = 0
    return {
      broker,
      run,
      logs,
      producer,
      received,
      yieldMany: (more: number): void => { for (; more > 0; more--) producer.yield({ number: ++count }) },
      receives: async (count: number): Promise<void> => await eventually(() => { assert.equal(received.numbers.length, count) })
    }
  }

  const outages: Array<[name: string, args: string[], outage: (server: RedisServer) => Promise<void>]> = [
    ['killed connections', [], async server => {
      for (const type of ['normal', 'pubsub', 'normal']) {
        await server.command('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes')
        await sleep(20)
      }
    }],
    ['a Redis that refuses to write', [], async server => {
      await server.command('CONFIG', 'SET', 'min-replicas-to-write', '1')
      await sleep(200)
      await server.command('CONFIG', 'SET', 'min-replicas-to-write', '0')
    }],
    ['a Redis that is killed and restarted with its data', ['--appendonly', 'yes', '--appendfsync', 'always'], async server => {
      await server.kill()
      await sleep(100)
      await server.start()
    }],
    ['a Redis that does not reply', [], async server => {
      server.pause()
      await sleep(2_500)
      server.resume()
    }]
  ]
  for (const [name, args, outage] of outages) {
    test(`a run continues after ${name}, and its viewers receive every event once and in order`, async t => {
      const server = await RedisServer.start(t, program, ...args)
      const { run, received, yieldMany, receives, producer } = await setup(t, server)
      yieldMany(10)
      await receives(10)
      yieldMany(20)
      await outage(server)
      yieldMany(10)
      producer.return({ finished: true })
      await closes(received)
      t.strictSame(received.numbers, Array.from({ length: 40 }, (_, index) => index + 1))
      t.strictSame(received.ends, [['done', { finished: true }]])
      await eventually(() => { assert.equal(run.state, 'done') })
    })
  }

  test('an event whose reply is lost is not published twice', async t => {
    const server = await RedisServer.start(t, program)
    const proxy = await TcpProxy.start(t, server)
    const { broker, received, yieldMany, receives, producer } = await setup(t, proxy, server)
    await eventually(() => { assert.ok(broker.ready) })
    yieldMany(1)
    await receives(1)
    proxy.dropReplies = true
    yieldMany(1)
    await receives(2)
    proxy.dropReplies = false
    proxy.cut()
    yieldMany(1)
    producer.return()
    await closes(received)
    t.strictSame(received.numbers, [1, 2, 3])
    t.strictSame(received.ends, [['done', {}]])
  })

  test('a run whose log is lost fails for its viewers and its producer', async t => {
    const server = await RedisServer.start(t, program)
    const { run, received, yieldMany, receives, producer, logs } = await setup(t, server)
    yieldMany(3)
    await receives(3)
    await server.command('FLUSHALL')
    await closes(received)
    t.match(received.ends, [['failed', { code: 'log_lost', retryable: true }]])
    await eventually(() => { assert.ok(producer.hasEnded()) })
    t.equal(run.state, 'failed')
    t.equal(logs.filter(({ msg }) => msg === 'run failed').length, 1)
  })

  test('a run that is cancelled from another process at once is stopped', async t => {
    const server = await RedisServer.start(t, program)
    const [first, second] = [await build(t, { broker: openBroker(t, server) }), await build(t, { broker: openBroker(t, server) })]
    const producers = await Promise.all(Array.from({ length: 100 }, async (_, index) => {
      const producer = manualProducer()
      await first.app.sse.runs.start(`${index}`, producer.produce)
      assert.equal(await second.app.sse.runs.cancel(`${index}`), true)
      return producer
    }))
    await eventually(() => { assert.ok(first.app.sse.runs.list().every(({ state }) => state === 'aborted')) })
    // A producer that was not called yet has not begun.
    t.ok(producers.every(producer => producer.hasEnded() || !producer.hasBegun()))
  })

  test('while Redis is away, runs are not found, started or cancelled within a few seconds', async t => {
    const server = await RedisServer.start(t, program)
    const { app } = await build(t, { broker: openBroker(t, server) })
    const { run } = await app.sse.runs.start('a', manualProducer().produce)
    await server.kill()
    const start = performance.now()
    const calls = [app.sse.runs.get('b'), app.sse.runs.start('b', () => []), app.sse.runs.cancel('b'), run.cancel()]
    for (const call of calls as Array<Promise<void>>) await t.rejects(call, { code: 'SSE_ERR_BROKER_UNAVAILABLE', statusCode: 503 })
    t.ok(performance.now() - start < 20_000)
  })
})
