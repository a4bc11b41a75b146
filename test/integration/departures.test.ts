import t from 'tap'
import { runInProcess } from '../fixtures/run-in-process.ts'
import { build } from '../fixtures/app.ts'
import { departures, MOMENTS } from '../fixtures/departures.ts'
import { until } from '../fixtures/until.ts'

interface Look { heap: number, listeners: number, resources: number, timers: number, size: number }
interface Report { before: Look, after: Look, reasons: Record<string, number> }

for (const moment of MOMENTS) {
  t.test(`a client that leaves ${moment} is noticed`, async t => {
    const { app, logs } = await build(t)
    const { leave, notes } = await departures(app)
    t.equal(await leave(moment), 'client')
    await until(() => app.sse.size === 0, 'no stream is left')
    if (moment.startsWith('in') || moment.startsWith('under')) await until(() => notes.includes('SSE_ERR_CLOSED'), 'the handler knows')
    if (moment.endsWith('sendAll')) await until(() => notes.includes('ended'), 'the source has ended')
    t.strictSame(logs.filter(({ level }) => level >= 40), [])
  })
}

t.test('after 10,000 clients have left, everything is where it was', { timeout: 120_000 }, async t => {
  const { before, after, reasons } = await runInProcess<Report>('departures-main.ts')
  t.strictSame(reasons, { client: 12_000 })
  t.equal(after.size, 0)
  t.equal(after.timers, before.timers, 'timers')
  t.equal(after.listeners, before.listeners, 'listeners')
  t.equal(after.resources, before.resources, 'resources')
  const growth = after.heap - before.heap
  t.ok(growth < 1_000_000, `the heap has grown by ${Math.round(growth / 1_024)} KiB`)
})
