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
