import t from 'tap'
import { reportEnd } from '../../plugin/stream/reports.ts'
import { record } from '../fixtures/diagnostics.ts'
import { FakeConnection, setupStream } from '../fixtures/stream.ts'

t.test('the log line for the end of a stream has its reason, totals, key and route', async t => {
  const connection = new FakeConnection()
  const end = { reason: 'client', events: 2, bytes: 30, duration: 400 } as const
  reportEnd(connection, 'info', end)
  t.strictSame(connection.lines, [{ level: 'info', fields: { sse: { ...end, key: 'a key', route: '/events/:id' } }, text: 'event stream closed' }])
})

t.test('the option endLogLevel sets the level of the line', async t => {
  const connection = new FakeConnection()
  const end = { reason: 'client', events: 2, bytes: 30, duration: 400 } as const
  reportEnd(connection, 'error', end)
  reportEnd(connection, 'silent', end)
  t.strictSame(connection.lines.map(({ level }) => level), ['error'])
})

t.test('a stream that never opened has no line', async t => {
  const connection = new FakeConnection()
  reportEnd(connection, 'info', { reason: 'error', events: 0, bytes: 0, duration: undefined })
  t.strictSame(connection.lines, [])
})

t.test('an event for which there is no room does not count', async t => {
  const closed = record(t, 'fastify-sse-emitter:stream:close')
  const { emitter, transport } = setupStream({ maxBuffered: 1_024 })
  emitter.open()
  transport.full = true
  transport.queued = 1_000
  const waiting = emitter.send('a')
  await t.rejects(emitter.send('x'.repeat(20)), { code: 'SSE_ERR_CLOSED' })
  await t.rejects(waiting)
  t.match(closed, [{ reason: 'slow', events: 1 }])
})
