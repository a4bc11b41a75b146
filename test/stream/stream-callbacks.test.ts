import type { FastifyBaseLogger } from 'fastify'
import t from 'tap'
import { StreamCallbacks } from '../../plugin/stream/stream-callbacks.ts'
import { nextTurn, recordingLog, type LogEntry } from '../fixtures/stream.ts'

function setup (): { callbacks: StreamCallbacks, lines: LogEntry[], calls: unknown[] } {
  const lines: LogEntry[] = []
  const callbacks = new StreamCallbacks(recordingLog(lines))
  return { callbacks, lines, calls: [] }
}

t.test('callbacks of each kind run in order', async t => {
  const { callbacks, calls } = setup()
  for (const number of [1, 2]) {
    callbacks.onTimeout(() => { calls.push(['timeout', number]) })
    callbacks.onError(error => { calls.push([error, number]) })
    callbacks.onCompletion(reason => { calls.push([reason, number]) })
  }
  t.strictSame(callbacks.timeOut(), [])
  callbacks.fail('error')
  callbacks.complete('client')
  t.strictSame(calls, [['timeout', 1], ['timeout', 2], ['error', 1], ['error', 2], ['client', 1], ['client', 2]])
})

t.test('timedOut and failed tell which callbacks have run', async t => {
  const { callbacks } = setup()
  t.strictSame([callbacks.timedOut, callbacks.failed], [false, false])
  callbacks.timeOut()
  t.strictSame([callbacks.timedOut, callbacks.failed], [true, false])
  callbacks.fail(undefined)
  t.strictSame([callbacks.timedOut, callbacks.failed], [true, true])
})

t.test('a warning runs onError callbacks that may run again', async t => {
  const { callbacks, calls } = setup()
  callbacks.warn('nobody listens')
  callbacks.onError(error => { calls.push(error) })
  callbacks.warn('a')
  callbacks.fail('b')
  t.strictSame(calls, ['a', 'b'])
})

t.test('a callback that is added late runs immediately', async t => {
  const { callbacks, calls } = setup()
  callbacks.timeOut()
  callbacks.fail('error')
  callbacks.complete('error')
  callbacks.onTimeout(() => { calls.push('timeout') })
  callbacks.onError(error => { calls.push(error) })
  callbacks.onCompletion(reason => { calls.push(reason) })
  t.strictSame(calls, ['timeout', 'error', 'error'])
})

t.test('a callback that throws or rejects is logged', async t => {
  const { callbacks, lines } = setup()
  callbacks.onTimeout(() => { throw new Error('thrown') })
  callbacks.onTimeout(async () => { throw new Error('rejected') })
  const busy = callbacks.timeOut()
  t.equal(busy.length, 1)
  await Promise.all(busy)
  await nextTurn()
  t.match(lines, [{ level: 'error', fields: { err: { message: 'thrown' } } }, { level: 'error', fields: { err: { message: 'rejected' } } }])
})

t.test('an error is logged at the end of the turn, once, unless the stream has failed with it', async t => {
  const { callbacks, lines } = setup()
  const error = new Error('boom')
  const write = (log: FastifyBaseLogger, err: unknown): void => { log.warn({ err }, 'unsent') }
  callbacks.logUnlessFailed(error, write)
  callbacks.logUnlessFailed(error, write)
  t.strictSame(lines, [])
  await nextTurn()
  t.match(lines, [{ text: 'unsent', fields: { err: error } }])
  t.equal(lines.length, 1)
  callbacks.logUnlessFailed(undefined, write)
  await nextTurn()
  t.equal(lines.length, 2, 'undefined is an error as well')
  t.notOk(callbacks.failedWith(undefined))
  callbacks.logUnlessFailed(error, write)
  callbacks.logUnlessFailed(undefined, write)
  callbacks.fail(error)
  t.ok(callbacks.failedWith(error))
  await nextTurn()
  t.equal(lines.length, 3, 'only the other error is logged')
})
