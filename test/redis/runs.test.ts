import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { EventSource } from 'eventsource'
import t, { type Test } from 'tap'
import type { SseRun } from '../../plugin/runs/run.ts'
import { build, sleep } from '../fixtures/app.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { brokerOn, eventually, RedisServer } from '../fixtures/redis.ts'

const PRODUCER = fileURLToPath(new URL('../fixtures/producer-main.ts', import.meta.url))
const LOST = { code: 'producer_lost', message: 'The server stopped unexpectedly', retryable: true }

/** Another process that produces a run. */
async function produce (t: Test, { url }: RedisServer, id: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [...process.execArgv, PRODUCER, url, id], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

interface Seen { numbers: number[], ends: Array<[type: string, data: unknown]>, closed: boolean }

/** What a client sees of a run, up to its end. */
function watch (t: Test, url: URL): Seen {
  const seen: Seen = { numbers: [], ends: [], closed: false }
  const source = new EventSource(url)
  t.teardown(() => source.close())
  source.addEventListener('message', ({ data }) => seen.numbers.push(JSON.parse(data).number))
  for (const type of ['done', 'failed', 'aborted']) source.addEventListener(type, ({ data }) => seen.ends.push([type, JSON.parse(data)]))
  source.addEventListener('error', () => { seen.closed = source.readyState === EventSource.CLOSED })
  return seen
}

/** A process that produces nothing, and has clients watch what others produce. */
async function watching (t: Test, server: RedisServer) {
  const { app, listen } = await build(t, { broker: brokerOn(t, server) })
  app.get<{ Params: { id: string } }>('/:id', async ({ params: { id } }, reply) => {
    const run: SseRun | undefined = await app.sse.runs.get(id)
    const emitter = reply.sse({ retry: 10 })
    await run!.watch(emitter)
    return emitter
  })
  return { app, url: await listen() }
}

const inOrder = (numbers: number[]): boolean => numbers.every((number, index) => number === index + 1)

suiteWith(t, 'redis-server', 'runs of many processes on one Redis', async (t, program) => {
  const server = await RedisServer.start(t, program)
  // A process is given up after some seconds.
  t.jobs = 3
  const test = (sentence: string, body: (t: Test) => Promise<void>) => t.test(sentence, { buffered: true }, body)

  test('a run is watched and cancelled from another process', async t => {
    const { app, url } = await watching(t, server)
    await produce(t, server, 'cancelled')
    const seen = watch(t, new URL('cancelled', url))
    await eventually(() => { if (seen.numbers.length < 5) throw new Error('not yet') })
    t.equal(await app.sse.runs.cancel('cancelled'), true)
    await eventually(() => { if (!seen.closed) throw new Error('not yet') })
    t.strictSame(seen.ends, [['aborted', { reason: 'cancelled' }]])
    t.ok(inOrder(seen.numbers))
    const { length } = seen.numbers
    await sleep(300)
    t.equal(seen.numbers.length, length)
  })

  test('when its process is killed in the middle, everybody everywhere sees it fail within 15 seconds', async t => {
    const processes = [await watching(t, server), await watching(t, server)]
    const child = await produce(t, server, 'killed')
    const all = processes.map(({ url }) => watch(t, new URL('killed', url)))
    await eventually(() => { if (all.some(({ numbers }) => numbers.length < 5)) throw new Error('not yet') })
    child.kill('SIGKILL')
    const killedAt = performance.now()
    await eventually(() => { if (all.some(({ closed }) => !closed)) throw new Error('not yet') })
    t.ok(performance.now() - killedAt < 15_000, `${performance.now() - killedAt} ms`)
    for (const { numbers, ends } of all) {
      t.ok(inOrder(numbers))
      t.strictSame(ends, [['failed', LOST]])
    }
    const late = watch(t, new URL('killed', processes[0]!.url))
    await eventually(() => { if (!late.closed) throw new Error('not yet') })
    t.strictSame(late, all[0], 'and so does who comes later')
  })

  test('a process that was taken for dead, and wakes, can add nothing to it', async t => {
    const { url } = await watching(t, server)
    const child = await produce(t, server, 'asleep')
    const seen = watch(t, new URL('asleep', url))
    await eventually(() => { if (seen.numbers.length < 5) throw new Error('not yet') })
    child.kill('SIGSTOP')
    await eventually(() => { if (!seen.closed) throw new Error('not yet') })
    child.kill('SIGCONT')
    await sleep(1_000)
    const again = watch(t, new URL('asleep', url))
    await eventually(() => { if (!again.closed) throw new Error('not yet') })
    t.strictSame(again, seen)
    t.strictSame(seen.ends, [['failed', LOST]])
  })
})
