import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { install } from '@sinonjs/fake-timers'
import fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import sse from 'fastify-sse-emitter'
import { injectSse } from 'fastify-sse-emitter/testing'
import { mockClock } from '../fixtures/clock.ts'

/** The fake timers of test runners: how each is started, and what moves its time. */
const CLOCKS: Record<string, (t: Test) => (ms: number) => void> = {
  // As vi.useFakeTimers() does, and as @sinonjs/fake-timers does without nextTick and queueMicrotask.
  vitest: t => fakeTimers(t, { toNotFake: ['nextTick', 'queueMicrotask'] }),
  'vitest before 3': t => fakeTimers(t, { toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'setInterval', 'clearInterval', 'Date'] }),
  'only setTimeout': t => fakeTimers(t, { toFake: ['setTimeout', 'clearTimeout'] }),
  tap: t => mockClock(t, Date.now()).advance
}

function fakeTimers (t: Test, options: Parameters<typeof install>[0]): (ms: number) => void {
  const clock = install({ now: Date.now(), ...options })
  t.teardown(() => clock.uninstall())
  return ms => { clock.tick(ms) }
}

async function buildApp (): Promise<FastifyInstance> {
  const app = fastify()
  await app.register(sse)
  app.get('/', async (_request, reply) => reply.sse({ timeout: 60_000 }))
  app.get('/expires', async (_request, reply) => reply.sse({ expiresAt: Date.now() + 20_000, heartbeat: 0 }))
  app.get('/ticks', async (_request, reply) => {
    const emitter = reply.sse()
    const timer = setInterval(() => emitter.send('tick'), 10_000)
    emitter.onCompletion(() => clearInterval(timer))
    return reply
  })
  app.get('/large', async (_request, reply) => {
    const emitter = reply.sse()
    for (let index = 0; index < 40; index++) await emitter.send('x'.repeat(100_000))
    emitter.complete()
  })
  app.post('/channel', async ({ body }, reply) => {
    const emitter = reply.sse()
    await emitter.subscribe(app.sse.channel('news'), { markers: false })
    await app.sse.channel('news').publish(body)
    return reply
  })
  app.get('/run', async (_request, reply) => {
    const { run } = await app.sse.runs.start('answer', async function * () {
      for (let index = 0; index < 300; index++) yield index
    })
    await run.watch(reply.sse())
    return reply
  })
  return app
}

for (const [name, start] of Object.entries(CLOCKS)) {
  for (const order of ['before', 'after']) {
    t.test(`${name}, started ${order} the application is built`, async t => {
      let advance = order === 'before' ? start(t) : undefined
      const app = await buildApp()
      t.teardown(() => app.close())
      await app.ready()
      // A stream of real time has set a timer.
      const stream = await injectSse(app, { url: '/' })
      advance ??= start(t)
      await stream.leave()
      await testDeadlines(t, app, advance)
      await testFlushes(t, app)
    })
  }
}

async function testDeadlines (t: Test, app: FastifyInstance, advance: (ms: number) => void): Promise<void> {
  const stream = await injectSse(app, { url: '/' })
  advance(14_999)
  const before = [...stream.comments]
  advance(1)
  t.equal(stream.comments.length, before.length + 1, 'a heartbeat after 15 s')
  advance(15_000)
  t.equal(stream.comments.length, before.length + 2, 'and another')
  advance(29_900)
  t.equal(app.sse.size, 1)
  advance(100)
  t.equal(await stream.closed, 'timeout')

  const expiring = await injectSse(app, { url: '/expires' })
  advance(20_000)
  t.equal(await expiring.closed, 'expired')
}

async function testFlushes (t: Test, app: FastifyInstance): Promise<void> {
  t.match(await (await injectSse(app, { url: '/channel', method: 'POST', payload: { a: 1 } })).next(), { data: '{"a":1}' })
  t.equal((await (await injectSse(app, { url: '/large' })).take(40)).length, 40)
  t.match((await (await injectSse(app, { url: '/run' })).until(({ event }) => event === 'done')).at(-2), { data: '299' })
}

t.test('node:test, with any of its fake timers', async t => {
  const main = fileURLToPath(new URL('../fixtures/node-test-main.ts', import.meta.url))
  const { status, stdout } = spawnSync(process.execPath, [...process.execArgv, main], { encoding: 'utf8', timeout: 60_000 })
  t.equal(status, 0, stdout)
})
