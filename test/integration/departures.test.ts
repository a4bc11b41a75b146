import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { build, sleep } from '../fixtures/app.ts'
import { departures, MOMENTS } from '../fixtures/departures.ts'

for (const moment of MOMENTS) {
  t.test(`a client that leaves ${moment} is noticed`, async t => {
    const { app, logs } = await build(t)
    const { leave, notes } = await departures(app)
    t.equal(await leave(moment), 'client')
    await sleep(20)
    t.equal(app.sse.size, 0)
    if (moment.startsWith('in') || moment.startsWith('under')) t.ok(notes.includes('SSE_ERR_CLOSED'), 'and so is its handler')
    if (moment.endsWith('sendAll')) t.ok(notes.includes('ended'), 'and its source')
    t.strictSame(logs.filter(({ level }) => level >= 40), [])
  })
}

t.test('after 10,000 clients have left, everything is where it was', { timeout: 120_000 }, async t => {
  const main = fileURLToPath(new URL('../fixtures/departures-main.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, '--expose-gc', main])
  const { before, after, reasons } = JSON.parse(stdout)
  t.strictSame(reasons, { client: 12_000 })
  t.equal(after.size, 0)
  t.equal(after.timers, before.timers, 'timers')
  t.equal(after.listeners, before.listeners, 'listeners')
  t.equal(after.resources, before.resources, 'resources')
  const growth = after.heap - before.heap
  t.ok(growth < 1_000_000, `the heap has grown by ${Math.round(growth / 1_024)} KiB`)
})
