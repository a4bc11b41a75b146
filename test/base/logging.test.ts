import fastify, { type FastifyBaseLogger } from 'fastify'
import t from 'tap'
import { warnOf, writeLog } from '../../plugin/base/logging.ts'
import { hostileErrors } from '../fixtures/hostile-errors.ts'
import { recordingLog, type LogEntry } from '../fixtures/stream.ts'

interface Line {
  level: number
  msg: string
  err?: { message: string, stack: string, code?: string }
}

/** Fastify's logger, and the lines that it has written. */
function pino (): { log: FastifyBaseLogger, lines: Line[] } {
  const lines: Line[] = []
  const app = fastify({ logger: { stream: { write: line => { lines.push(JSON.parse(line)) } } } })
  return { log: app.log, lines }
}

t.test('a line has a level, its fields and a message', async t => {
  const lines: LogEntry[] = []
  const err = new Error('boom')
  writeLog(recordingLog(lines), 'warn', { err, run: 'r' }, 'failed')
  writeLog(recordingLog(lines), 'info', { sse: 1 }, 'closed')
  t.strictSame(lines, [{ level: 'warn', fields: { err, run: 'r' }, text: 'failed' }, { level: 'info', fields: { sse: 1 }, text: 'closed' }])
  t.equal(lines[0]!.fields.err, err)
})

t.test('any error is logged once, and never throws', async t => {
  for (const [name, err] of hostileErrors()) {
    const { log, lines } = pino()
    writeLog(log, 'error', { err, run: 'r' }, 'failed')
    t.match(lines, [{ level: 50, msg: 'failed', run: 'r', err: { message: String, stack: String } }], name)
    t.equal(lines.length, 1, name)
  }
})

t.test('an error that the logger cannot serialize is logged with its message, its stack and its code', async t => {
  const { log, lines } = pino()
  const err = Object.freeze(Object.assign(new Error('boom'), { code: 'CODE' }))
  writeLog(log, 'error', { err }, 'failed')
  t.match(lines, [{ err: { message: 'boom', stack: err.stack!, code: 'CODE' } }])
})

t.test('a logger that always throws is ignored', async () => {
  const log = { error: () => { throw new Error('the disk is full') } } as unknown as FastifyBaseLogger
  writeLog(log, 'error', { err: new Error('boom') }, 'failed')
  writeLog(log, 'error', {}, 'failed')
})

t.test('an error without a log becomes a warning of the process', async t => {
  const warnings = t.capture(process, 'emitWarning')
  warnOf(Object.freeze(new Error('boom')), 'A task threw')
  t.match(warnings.args(), [[/^A task threw: Error: boom\n {4}at /, 'SseWarning']])
})
