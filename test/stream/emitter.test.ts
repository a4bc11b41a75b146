import type { FastifyBaseLogger } from 'fastify'
import t, { type Test } from 'tap'
import { Emitter, type Connection } from '../../plugin/stream/emitter.ts'
import type { SSE_ERR_CLOSED, SseReason } from '../../plugin/base/errors.ts'
import { event } from '../../plugin/wire/event.ts'
import { STREAM_DEFAULTS, type StreamOptions, type StreamSettings } from '../../plugin/stream/options.ts'
import type { Transport } from '../../plugin/stream/transport.ts'
import { SharedText } from '../../plugin/wire/shared-text.ts'
import { TimerWheel } from '../../plugin/base/timer-wheel.ts'
import { decode } from '../fixtures/client.ts'
import { stillClock } from '../fixtures/clock.ts'

const realImmediate = setImmediate
const nextTurn = (): Promise<void> => new Promise(resolve => { realImmediate(resolve) })

/** A client that takes everything, as long as it is not full. */
class FakeTransport implements Transport {
  text = ''
  full = false
  queued = 0
  onDrain = (): void => {}

  begin (_mark: number, onDrain: () => void): void {
    this.onDrain = onDrain
  }

  flush (): void {}

  write (text: string | SharedText): number {
    return this.take(text)
  }

  take (text: string | SharedText): number {
    const whole = text instanceof SharedText ? text.text : text
    this.text += whole
    return Buffer.byteLength(whole)
  }
}

interface Line { level: 'info' | 'warn' | 'error', fields: Record<string, unknown>, text: string }

/** A connection that opens as soon as it is asked, unless it is told to be slow. */
class FakeConnection implements Connection {
  follow = (): never => { throw new Error('it has no channels') }

  readonly calls: string[] = []
  readonly lines: Line[] = []
  readonly transport = new FakeTransport()
  lastEventId: string | undefined = undefined
  slow = false
  emitter!: Emitter

  readonly log = Object.fromEntries((['info', 'warn', 'error'] as const).map(level => [
    level, (fields: Record<string, unknown>, text: string) => { this.lines.push({ level, fields, text }) }
  ])) as unknown as FastifyBaseLogger

  open (): void {
    this.calls.push('open')
    if (!this.slow) this.emitter.attach(this.transport)
  }

  fail (): void {
    this.calls.push('fail')
  }

  decline (): void {
    this.calls.push('decline')
  }

  end (hangUp: boolean): void {
    this.calls.push(hangUp ? 'end, hang up' : 'end')
    this.emitter.close('client', true)
  }

  cut (): void {
    this.calls.push('cut')
    this.emitter.close('client', false)
  }
}

interface Scene {
  emitter: Emitter
  connection: FakeConnection
  wheel: TimerWheel
  /** What the client has read. */
  read: () => string
  completions: SseReason[]
}

function scene (options: StreamOptions = {}): Scene {
  const connection = new FakeConnection()
  const wheel = new TimerWheel()
  const emitter = new Emitter(connection, { ...STREAM_DEFAULTS, heartbeat: 0, ...options } as StreamSettings, wheel)
  connection.emitter = emitter
  const completions: SseReason[] = []
  emitter.onCompletion(reason => { completions.push(reason) })
  return { emitter, connection, wheel, completions, read: () => connection.transport.text }
}

/** Has the clock stand still; time passes by `pass`. */
function still (t: Test): (ms: number) => Promise<void> {
  const { pass } = stillClock(t)
  return async ms => {
    pass(ms)
    await nextTurn()
  }
}

const closed = (reason: SseReason): Pick<SSE_ERR_CLOSED, 'code' | 'reason'> => ({ code: 'SSE_ERR_CLOSED', reason })

t.test('declining', async t => {
  t.test('a client that has had everything gets that as its answer', async t => {
    const { emitter, connection, completions } = scene()
    emitter.decline()
    emitter.decline()
    await nextTurn()
    t.strictSame(connection.calls, ['decline', 'open', 'end'])
    t.strictSame(completions, ['complete'])
  })

  t.test('an open stream just ends', async t => {
    const { emitter, connection } = scene()
    emitter.open()
    emitter.decline()
    await nextTurn()
    t.strictSame(connection.calls, ['open', 'end'])
  })
})

t.test('opening', async t => {
  t.test('the first send opens, once', async t => {
    const { emitter, connection, read } = scene()
    t.equal(emitter.state, 'pending')
    await emitter.send('a')
    t.equal(emitter.state, 'open')
    await emitter.send('b')
    await nextTurn()
    t.strictSame(connection.calls, ['open'])
    t.equal(read(), 'data:a\n\ndata:b\n\n')
  })

  t.test('so does a comment', async t => {
    const { emitter, read } = scene()
    await emitter.comment('hi')
    await nextTurn()
    t.equal(read(), ':hi\n\n')
  })

  t.test('open opens without sending', async t => {
    const { emitter, connection, read } = scene()
    emitter.open()
    emitter.open()
    t.strictSame(connection.calls, ['open'])
    t.equal(emitter.state, 'open')
    await nextTurn()
    t.equal(read(), '')
  })

  t.test('what is sent while it opens is kept, in order, and its senders wait', async t => {
    const { emitter, connection, read } = scene()
    connection.slow = true
    let sent = false
    const send = emitter.send('a').then(() => { sent = true })
    emitter.send('b').catch(() => {})
    await nextTurn()
    t.equal(sent, false)
    t.equal(emitter.state, 'pending')
    emitter.attach(connection.transport)
    await send
    t.equal(read(), 'data:a\n\ndata:b\n\n')
  })

  t.test('retry is told first, at every opening', async t => {
    const { emitter, read } = scene({ retry: 0 })
    emitter.send('a')
    await nextTurn()
    t.equal(read(), 'retry:0\n\ndata:a\n\n')
  })
})

t.test('sending', async t => {
  t.test('strings go as they are, the rest through the serializer', async t => {
    const { emitter, read } = scene({ serializer: data => `<${String(data)}>` })
    emitter.send('text', { event: 'tick', id: 7 })
    emitter.send(5)
    emitter.send(undefined, { id: '8' })
    await nextTurn()
    t.strictSame(decode(read()).events, [{ data: 'text', event: 'tick', id: '7' }, { data: '<5>', event: undefined, id: undefined }])
  })

  t.test('a space follows the colon where it is asked for', async t => {
    const { emitter, read } = scene({ spaceAfterColon: true, retry: 5 })
    emitter.send('a', { id: '1' })
    emitter.comment('c')
    await nextTurn()
    t.equal(read(), 'retry: 5\n\nid: 1\ndata: a\n\n: c\n\n')
  })

  t.test('an event that cannot be written is refused, nothing of it is, and the stream goes on', async t => {
    const { emitter, connection, read } = scene()
    const errors: unknown[] = []
    emitter.onError(error => { errors.push(error) })
    await t.rejects(emitter.send('x', { id: 'a\nb' }), { code: 'SSE_ERR_EVENT' })
    await t.rejects(emitter.send('x', { event: 'sse-ready' }), { code: 'SSE_ERR_EVENT' })
    await t.rejects(emitter.comment(5 as unknown as string), { code: 'SSE_ERR_EVENT' })
    t.strictSame(connection.calls, [], 'it does not even open')
    t.strictSame(errors, [])
    await t.rejects(emitter.send(1n), { code: 'SSE_ERR_SERIALIZE' })
    t.match(errors, [{ code: 'SSE_ERR_SERIALIZE' }], 'what the serializer threw is for onError')
    t.strictSame(connection.lines.map(({ level, text }) => [level, text]), Array(4).fill(['warn', 'an event was not sent']))
    await emitter.send('good')
    await nextTurn()
    t.equal(read(), 'data:good\n\n')
  })

  t.test('with room, a thousand sends share one promise', async t => {
    const { emitter } = scene()
    t.equal(emitter.send('a'), emitter.send('b'))
  })

  t.test('without room, they wait, and settle with the drain', async t => {
    const { emitter, connection, read } = scene()
    emitter.open()
    connection.transport.full = true
    const first = emitter.send('a')
    t.equal(first, emitter.send('b'), 'on one promise')
    let settled = false
    first.finally(() => { settled = true })
    await nextTurn()
    t.equal(settled, false)
    t.equal(emitter.queued, 16)
    connection.transport.full = false
    connection.transport.onDrain()
    await first
    t.equal(read(), 'data:a\n\ndata:b\n\n')
  })

  t.test('a client that leaves settles them, too', async t => {
    const { emitter, connection } = scene()
    emitter.open()
    connection.transport.full = true
    const waiting = emitter.send('a')
    emitter.close('client', false)
    await t.rejects(waiting, closed('client'))
    await t.rejects(emitter.send('b'), closed('client'))
    await t.rejects(emitter.comment('c'), closed('client'))
    await t.rejects(emitter.sendAll(['d']), closed('client'))
  })

  t.test('a rejection that nobody awaits does nothing', async t => {
    const unhandled = (): void => { t.fail('unhandled') }
    process.on('unhandledRejection', unhandled)
    const { emitter, connection } = scene()
    emitter.open()
    connection.transport.full = true
    emitter.send('a')
    emitter.close('client', false)
    emitter.send('b')
    emitter.comment('c')
    emitter.send('x', { id: '\n' })
    emitter.sendAll(['d'])
    await nextTurn()
    process.off('unhandledRejection', unhandled)
  })

  t.test('a client for whom too much waits is cut off', async t => {
    const { emitter, connection, completions } = scene({ maxBuffered: 1_024 })
    emitter.open()
    connection.transport.full = true
    connection.transport.queued = 1_000
    const waiting = emitter.send('a')
    await t.rejects(emitter.send('x'.repeat(20)), closed('slow'))
    await t.rejects(waiting, closed('slow'))
    t.strictSame(connection.calls, ['open', 'cut'])
    t.strictSame(completions, ['slow'])
  })
})

t.test('sending all', async t => {
  t.test('items and their fields, and it does not complete', async t => {
    const { emitter, read } = scene()
    await emitter.sendAll((async function * () {
      yield 'a'
      yield event({ b: 1 }, { event: 'tick', id: '1' })
    })())
    await nextTurn()
    t.equal(read(), 'data:a\n\nid:1\nevent:tick\ndata:{"b":1}\n\n')
    t.equal(emitter.state, 'open')
  })

  t.test('a failing source rejects, is logged, and ends nothing', async t => {
    const { emitter, connection } = scene()
    await t.rejects(emitter.sendAll((function * () { yield 'a'; throw new Error('dry') })()), { message: 'dry' })
    t.match(connection.lines, [{ level: 'warn', text: 'a source of an event stream failed', fields: { err: { message: 'dry' } } }])
    t.equal(emitter.state, 'open')
    await emitter.send('b')
  })

  t.test('completing ends the source', async t => {
    const { emitter, connection } = scene()
    const sent = emitter.sendAll(async function * (signal: AbortSignal) {
      yield 'a'
      await new Promise((_resolve, reject) => { signal.onabort = () => { reject(signal.reason) } })
    })
    await nextTurn()
    emitter.complete()
    await t.rejects(sent, closed('complete'))
    t.strictSame(connection.lines.filter(({ level }) => level === 'warn'), [])
  })

  t.test('an endless source leaves the event loop its turns', async t => {
    const { emitter } = scene()
    let turns = 0
    const count = (): void => {
      if (++turns < 5) setImmediate(count)
      else emitter.close('client', false)
    }
    setImmediate(count)
    await t.rejects(emitter.sendAll((function * () { for (;;) yield 'x'.repeat(100) })()), closed('client'))
    t.equal(turns, 5)
  })
})

t.test('completing', async t => {
  t.test('ends after what was sent, and calls back once', async t => {
    const { emitter, connection, read, completions } = scene()
    emitter.send('a')
    emitter.complete()
    t.equal(emitter.state, 'closed')
    t.strictSame(completions, [], 'not before it is over')
    await t.rejects(emitter.send('b'), { ...closed('complete'), message: 'The event stream is closed: complete' })
    await nextTurn()
    t.equal(read(), 'data:a\n\n')
    t.strictSame(connection.calls, ['open', 'end'])
    emitter.complete()
    emitter.completeWithError(new Error('late'))
    emitter.kick()
    emitter.close('client', false)
    t.strictSame(completions, ['complete'])
    t.match(connection.lines, [{ level: 'info', text: 'event stream closed', fields: { sse: { reason: 'complete', events: 1, bytes: 8, duration: Number } } }])
  })

  t.test('before anything else, it opens and ends', async t => {
    const { emitter, connection, completions } = scene()
    emitter.complete()
    await nextTurn()
    t.strictSame(connection.calls, ['open', 'end'])
    t.strictSame(completions, ['complete'])
  })

  t.test('while it opens, it ends when it is open', async t => {
    const { emitter, connection, read } = scene()
    connection.slow = true
    emitter.send('a').catch(() => {})
    emitter.complete()
    await nextTurn()
    t.strictSame(connection.calls, ['open'])
    emitter.attach(connection.transport)
    await nextTurn()
    t.equal(read(), 'data:a\n\n')
    t.strictSame(connection.calls, ['open', 'end'])
  })

  t.test('who waits for room hears that all has left', async t => {
    const { emitter, connection } = scene()
    emitter.open()
    connection.transport.full = true
    const waiting = emitter.send('a')
    emitter.complete()
    await t.resolves(waiting)
  })

  t.test('a stream that never opened takes its reason from what was answered', async t => {
    const { emitter, connection, completions } = scene()
    connection.slow = true
    emitter.complete()
    emitter.close('error', true)
    t.strictSame(completions, ['error'])
    t.strictSame(connection.lines, [], 'and is not logged')
  })
})

t.test('completing with an error', async t => {
  t.test('before opening, it is answered', async t => {
    const { emitter, connection, completions } = scene()
    const errors: unknown[] = []
    const error = new Error('boom')
    emitter.onError(error => {
      errors.push(error)
      emitter.send('farewell').catch(() => {})
    })
    emitter.completeWithError(error)
    emitter.completeWithError(new Error('again'))
    t.strictSame(connection.calls, ['fail'], 'a callback cannot open what is an error response')
    t.strictSame(errors, [error])
    emitter.close('complete', true)
    t.strictSame(completions, ['error'])
  })

  t.test('after opening, a last event says so, without internals', async t => {
    const { emitter, connection, read, completions } = scene()
    const errors: unknown[] = []
    emitter.onError(error => { errors.push(['first', error]) })
    emitter.onError(error => { errors.push(['second', error]) })
    const error = Object.assign(new Error('password is 1234'), { code: 'UPSTREAM_GONE' })
    emitter.send('a')
    emitter.completeWithError(error)
    await nextTurn()
    t.equal(read(), 'data:a\n\nevent:sse-error\ndata:{"code":"UPSTREAM_GONE"}\n\n')
    t.strictSame(errors, [['first', error], ['second', error]])
    t.strictSame(connection.calls, ['open', 'end'])
    t.strictSame(completions, ['error'])
    t.match(connection.lines[0], { level: 'error', text: 'event stream failed', fields: { err: error } })
  })

  t.test('only a code that looks like one is told', async t => {
    for (const error of [new Error('x'), 'a string', undefined, null, { code: 'a b' }, { code: 5 }]) {
      const { emitter, read } = scene()
      emitter.open()
      emitter.completeWithError(error)
      await nextTurn()
      t.equal(read(), 'event:sse-error\ndata:{"code":"INTERNAL_ERROR"}\n\n')
    }
  })

  t.test('a callback may say its own farewell and complete', async t => {
    const { emitter, read, completions } = scene()
    emitter.open()
    emitter.onError(() => {
      emitter.completeWithError(new Error('again'))
      emitter.send('sorry')
      emitter.complete()
    })
    emitter.completeWithError(new Error('boom'))
    await nextTurn()
    t.equal(read(), 'data:sorry\n\n')
    t.strictSame(completions, ['error'])
  })

  t.test('a client that leaves is no error', async t => {
    const { emitter } = scene()
    emitter.onError(() => { t.fail('onError') })
    emitter.open()
    emitter.close('client', false)
  })
})

t.test('callbacks', async t => {
  t.test('one that throws or rejects is logged and starves nobody', async t => {
    const { emitter, connection, completions } = scene()
    const ran: number[] = []
    emitter.onCompletion(() => { throw new Error('thrown') })
    emitter.onCompletion(async () => { throw new Error('rejected') })
    emitter.onCompletion(() => { ran.push(1) })
    emitter.complete()
    await nextTurn()
    await nextTurn()
    t.strictSame(ran, [1])
    t.strictSame(completions, ['complete'])
    t.match(connection.lines.filter(({ level }) => level === 'error'), [
      { text: 'a callback of an event stream failed', fields: { err: { message: 'thrown' } } },
      { fields: { err: { message: 'rejected' } } }
    ])
  })

  t.test('one that is added too late runs at once', async t => {
    const pass = still(t)
    const { emitter } = scene({ timeout: 100 })
    const ran: unknown[] = []
    emitter.open()
    await pass(300)
    emitter.onTimeout(() => { ran.push('timeout') })
    emitter.onCompletion(reason => { ran.push(reason) })
    t.strictSame(ran, ['timeout', 'timeout'])
    emitter.onError(() => { t.fail('there was none') })

    const { emitter: failed } = scene()
    failed.completeWithError(new Error('boom'))
    failed.onError(error => { ran.push((error as Error).message) })
    t.equal(ran[2], 'boom')

    const connection = new FakeConnection()
    const unwatched = connection.emitter = new Emitter(connection, STREAM_DEFAULTS, new TimerWheel())
    unwatched.complete()
    await pass(10)
    unwatched.onCompletion(reason => { ran.push(reason) })
    t.equal(ran[3], 'complete', 'also where it is the first of its kind')
  })
})

t.test('signal and closed', async t => {
  t.test('the signal aborts when nothing can be sent any more', async t => {
    const { emitter } = scene()
    const { signal } = emitter
    t.equal(emitter.signal, signal)
    t.equal(signal.aborted, false)
    emitter.complete()
    t.equal(signal.aborted, true)
    t.match(signal.reason, closed('complete'))
  })

  t.test('a signal that is asked for late is aborted', async t => {
    const { emitter } = scene()
    emitter.close('client', false)
    t.match(emitter.signal.reason, closed('client'))
    t.equal(await emitter.closed, 'client')
  })

  t.test('closed resolves when the connection is over', async t => {
    const { emitter } = scene()
    const { closed } = emitter
    t.equal(emitter.closed, closed)
    emitter.complete()
    t.equal(await closed, 'complete')
    t.equal(await emitter.closed, 'complete')
  })
})

t.test('the last event id is the connection\'s', async t => {
  const { emitter, connection } = scene()
  t.equal(emitter.lastEventId, undefined)
  connection.lastEventId = '7'
  t.equal(emitter.lastEventId, '7')
})

t.test('timeout', async t => {
  t.test('counts from the opening, and sending does not extend it', async t => {
    const pass = still(t)
    const { emitter, connection, completions } = scene({ timeout: 1_000 })
    await pass(5_000)
    emitter.open()
    for (let times = 0; times < 9; times++) {
      await pass(100)
      emitter.send('x')
    }
    t.equal(emitter.state, 'open')
    await pass(200)
    t.equal(emitter.state, 'closed')
    t.strictSame(completions, ['timeout'])
    t.strictSame(connection.calls, ['open', 'end'])
  })

  t.test('a farewell may still be sent', async t => {
    const pass = still(t)
    const { emitter, read } = scene({ timeout: 100 })
    emitter.onTimeout(() => { emitter.send('bye') })
    emitter.onTimeout(() => { emitter.send('bye bye') })
    emitter.open()
    await pass(200)
    t.equal(read(), 'data:bye\n\ndata:bye bye\n\n')
  })

  t.test('and completed by hand, as Spring has it', async t => {
    const pass = still(t)
    const { emitter, completions } = scene({ timeout: 100 })
    emitter.onTimeout(() => { emitter.complete() })
    emitter.open()
    await pass(200)
    t.strictSame(completions, ['timeout'])
  })

  t.test('a callback that takes its time is waited for', async t => {
    const pass = still(t)
    const { emitter, read, completions } = scene({ timeout: 100 })
    let say = (): void => {}
    emitter.onTimeout(async () => {
      await new Promise<void>(resolve => { say = resolve })
      await emitter.send('bye')
    })
    emitter.open()
    await pass(2_000)
    t.equal(emitter.state, 'open')
    say()
    await nextTurn()
    await nextTurn()
    t.equal(read(), 'data:bye\n\n')
    t.strictSame(completions, ['timeout'])
  })

  t.test('but not for ever', async t => {
    const pass = still(t)
    const { emitter, completions } = scene({ timeout: 100 })
    emitter.onTimeout(() => new Promise(() => {}))
    emitter.open()
    await pass(5_000)
    t.equal(emitter.state, 'open')
    await pass(300)
    t.strictSame(completions, ['timeout'])
  })
})

t.test('a stream ends when what it is for expires', async t => {
  const pass = still(t)
  const { emitter, completions } = scene({ expiresAt: Date.now() + 3_000 })
  await pass(1_000)
  emitter.open()
  await pass(1_900)
  t.equal(emitter.state, 'open')
  await pass(200)
  t.strictSame(completions, ['expired'])
})

t.test('heartbeats', async t => {
  t.test('come in silence only', async t => {
    const pass = still(t)
    const { emitter, connection, read } = scene({ heartbeat: 1_000 })
    await pass(5_000)
    t.equal(read(), '', 'not before it opens')
    emitter.open()
    for (let times = 0; times < 5; times++) {
      await pass(900)
      emitter.send('x')
      await nextTurn()
    }
    t.equal(read(), 'data:x\n\n'.repeat(5), 'not while there is something to read')
    connection.transport.text = ''
    await pass(3_300)
    t.equal(read(), ':\n\n'.repeat(3))
    emitter.complete()
    await nextTurn()
    connection.transport.text = ''
    await pass(5_000)
    t.equal(read(), '', 'not after the end')
  })

  t.test('may be events that a page can see', async t => {
    const pass = still(t)
    const { emitter, connection, read } = scene({ heartbeat: 1_000, heartbeatEvent: 'ping' })
    emitter.open()
    await pass(1_100)
    t.strictSame(decode(read()).events, [{ event: 'ping', data: '', id: undefined }])
    emitter.close('client', false)
    t.match(connection.lines, [{ fields: { sse: { events: 0 } } }], 'and count as none')
  })

  t.test('never go into a full connection', async t => {
    const pass = still(t)
    const { emitter, connection, read } = scene({ heartbeat: 1_000 })
    emitter.send('a')
    connection.transport.write = function (text) {
      this.full = true
      return this.take(text)
    }
    await pass(10_000)
    t.equal(read(), 'data:a\n\n')
    connection.transport.full = false
    connection.transport.onDrain()
    await pass(900)
    t.equal(read(), 'data:a\n\n', 'and silence begins with the drain')
    await pass(200)
    t.equal(read(), 'data:a\n\n:\n\n')
  })
})

t.test('a stalled client', async t => {
  t.test('is cut off when it takes nothing for too long', async t => {
    const pass = still(t)
    const { emitter, connection, completions } = scene({ stallTimeout: 2_000 })
    emitter.open()
    emitter.send('x')
    connection.transport.write = function (text) {
      this.full = true
      return this.take(text)
    }
    await nextTurn()
    const waiting = emitter.send('y')
    const rejected = t.rejects(waiting, closed('slow'))
    await pass(1_900)
    t.equal(emitter.state, 'open')
    await pass(200)
    t.strictSame(connection.calls, ['open', 'cut'])
    t.strictSame(completions, ['slow'])
    await rejected
  })

  t.test('is not, when it takes something in time', async t => {
    const pass = still(t)
    const { emitter, connection } = scene({ stallTimeout: 2_000 })
    const { transport } = connection
    transport.write = function (text) {
      this.full = true
      return this.take(text)
    }
    for (let times = 0; times < 5; times++) {
      emitter.send('x')
      await pass(1_900)
      transport.full = false
      transport.onDrain()
    }
    t.equal(emitter.state, 'open')
  })

  t.test('that does not take the end is cut off as well, and the reason stays', async t => {
    const pass = still(t)
    const { emitter, connection, completions } = scene({ stallTimeout: 2_000 })
    connection.end = () => { connection.calls.push('end') }
    emitter.send('x')
    emitter.complete()
    await pass(1_900)
    t.strictSame(connection.calls, ['open', 'end'])
    t.strictSame(completions, [])
    await pass(200)
    t.strictSame(connection.calls, ['open', 'end', 'cut'])
    t.strictSame(completions, ['complete'])
  })
})

t.test('the server stops', async t => {
  t.test('an open stream is told when to come back, and hung up on', async t => {
    const { emitter, connection, read, completions } = scene({ retry: 100 })
    emitter.send('a')
    emitter.shutDown(2_345)
    emitter.shutDown(5)
    await nextTurn()
    t.equal(read(), 'retry:100\n\ndata:a\n\nretry:2345\n\n')
    t.strictSame(connection.calls, ['open', 'end, hang up'])
    t.strictSame(completions, ['shutdown'])
  })

  t.test('one that is not open is left to its handler', async t => {
    const { emitter, connection, read, completions } = scene()
    emitter.shutDown(2_345)
    t.equal(emitter.state, 'closed')
    await nextTurn()
    t.strictSame(connection.calls, [])
    await t.rejects(emitter.send('a'), closed('shutdown'))
    emitter.attach(connection.transport)
    await nextTurn()
    t.equal(read(), 'retry:2345\n\n')
    t.strictSame(completions, ['shutdown'])
  })

  t.test('one that does not end is cut off', async t => {
    const { emitter, connection, completions } = scene()
    emitter.open()
    emitter.cut('shutdown')
    t.strictSame(connection.calls, ['open', 'cut'])
    t.strictSame(completions, ['shutdown'])
  })
})

t.test('a kicked stream ends after what was sent', async t => {
  const { emitter, connection, read, completions } = scene()
  emitter.send('a')
  emitter.kick()
  await nextTurn()
  t.equal(read(), 'data:a\n\n')
  t.strictSame(connection.calls, ['open', 'end'])
  t.strictSame(completions, ['kicked'])
})

t.test('nothing stays on the wheel', async t => {
  const { emitter, wheel } = scene({ heartbeat: 1_000, timeout: 5_000 })
  t.equal(wheel.size, 0)
  emitter.open()
  t.equal(wheel.size, 1)
  emitter.complete()
  await nextTurn()
  t.equal(wheel.size, 0)
})
