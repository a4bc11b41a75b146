import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { build, WARN } from '../fixtures/app.ts'
import { call } from '../fixtures/client.ts'
import { Disconnects, MOMENTS } from '../fixtures/disconnects.ts'
import { runInProcess } from '../fixtures/run-in-process.ts'
import { until } from '../fixtures/until.ts'

interface Measurement { heap: number, listeners: number, resources: string[], timers: number, size: number }
interface Report { before: Measurement, after: Measurement, reasons: Record<string, number> }

for (const moment of MOMENTS) {
  t.test(`a disconnect ${moment} closes the stream`, async t => {
    const { app, logs } = await build(t)
    const disconnects = await Disconnects.start(app)
    t.equal(await disconnects.disconnect(moment), 'client')
    await until(() => app.sse.size === 0, 'no stream is left')
    const { notes } = disconnects
    if (!['before the handler', 'while idle'].includes(moment)) await until(() => notes.includes('SSE_ERR_CLOSED'), 'the handler receives the error')
    if (moment === 'during sendAll') await until(() => notes.includes('ended'), 'the source has ended')
    t.strictSame(logs.filter(({ level }) => level >= WARN), [], 'nothing is logged as a problem')
  })
}

t.test('a client that disconnects while its source is silent closes the source', async t => {
  const { app, logs, listen } = await build(t, { heartbeat: 0 })
  const source = new PassThrough()
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    emitter.open()
    emitter.sendAll(source).catch(() => {})
    return emitter
  })
  const { request, response } = call(await listen())
  await response
  t.equal(source.destroyed, false)
  request.destroy()
  await once(source, 'close')
  t.strictSame(logs.filter(({ level }) => level >= WARN), [], 'nothing is logged as a problem')
})

t.test('10,000 clients that disconnect leave no timers, listeners, resources or memory behind', { timeout: 240_000 }, async t => {
  const { before, after, reasons } = await runInProcess<Report>('disconnects-main.ts')
  t.strictSame(reasons, { client: 12_000 })
  t.equal(after.size, 0)
  t.equal(after.timers, before.timers, 'timers')
  t.equal(after.listeners, before.listeners, 'listeners')
  t.strictSame(after.resources, before.resources, 'resources')
  const growth = after.heap - before.heap
  t.ok(growth < 1_000_000, `the heap grew by ${Math.round(growth / 1_024)} KiB`)
})
