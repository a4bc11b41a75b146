import t from 'tap'
import type { SseEmitter } from '../../plugin/stream/sse-emitter.ts'
import { decode } from '../fixtures/client.ts'
import { hostileErrors } from '../fixtures/hostile-errors.ts'
import { HISTORY } from '../fixtures/subscriber.ts'
import { closed, nextTurn, setupStream, stopClock } from '../fixtures/stream.ts'
import { processWarnings } from '../fixtures/warnings.ts'

t.test('declining', async t => {
  t.test('answers 204 if the stream has not opened', async t => {
    const { stream, connection, completions } = setupStream()
    stream.decline()
    stream.decline()
    await nextTurn()
    t.strictSame(connection.calls, ['decline', 'open', 'end'])
    t.strictSame(completions, ['complete'])
  })

  t.test('ends an open stream', async t => {
    const { emitter, stream, connection } = setupStream()
    emitter.open()
    stream.decline()
    await nextTurn()
    t.strictSame(connection.calls, ['open', 'end'])
  })
})

t.test('opening', async t => {
  t.test('the first send opens the stream, once', async t => {
    const { emitter, connection, read } = setupStream()
    t.equal(emitter.state, 'pending')
    await emitter.send('a')
    t.equal(emitter.state, 'open')
    await emitter.send('b')
    await nextTurn()
    t.strictSame(connection.calls, ['open'])
    t.equal(read(), 'data:a\n\ndata:b\n\n')
  })

  t.test('a comment opens the stream', async t => {
    const { emitter, read } = setupStream()
    await emitter.comment('hi')
    await nextTurn()
    t.equal(read(), ':hi\n\n')
  })

  t.test('open() opens the stream with a comment, so that a proxy forwards its headers', async t => {
    const { emitter, connection, read } = setupStream()
    emitter.open()
    emitter.open()
    t.strictSame(connection.calls, ['open'])
    t.equal(emitter.state, 'open')
    t.equal(read(), '')
    await nextTurn()
    await nextTurn()
    t.equal(read(), ':\n')
    emitter.send('a')
    await nextTurn()
    t.equal(read(), ':\ndata:a\n\n')
  })

  t.test('a stream that opens with an event, with retry or only to end has no comment', async t => {
    for (const [options, open, expected] of [
      [{}, (emitter: SseEmitter) => { emitter.open(); emitter.send('a') }, 'data:a\n\n'],
      [{}, async (emitter: SseEmitter) => { emitter.open(); await null; await null; emitter.send('a') }, 'data:a\n\n'],
      [{ retry: 5 }, (emitter: SseEmitter) => emitter.open(), 'retry:5\n'],
      [{}, (emitter: SseEmitter) => emitter.complete(), '']
    ] as const) {
      const { emitter, read } = setupStream(options)
      open(emitter)
      await nextTurn()
      await nextTurn()
      t.equal(read(), expected)
    }
  })

  t.test('events sent while the stream opens are queued in order, and their sends wait', async t => {
    const { emitter, stream, connection, read, transport } = setupStream()
    connection.slow = true
    let sent = false
    const send = emitter.send('a').then(() => { sent = true })
    emitter.send('b').catch(() => {})
    await nextTurn()
    t.equal(sent, false)
    t.equal(emitter.state, 'pending')
    stream.attach(transport)
    await send
    t.equal(read(), 'data:a\n\ndata:b\n\n')
  })

  t.test('retry is sent first', async t => {
    const { emitter, read } = setupStream({ retry: 0 })
    emitter.send('a')
    await nextTurn()
    t.equal(read(), 'retry:0\ndata:a\n\n', 'no blank line, for which some clients dispatch an empty event')
  })
})

t.test('the signal may abort any number of sources', async t => {
  const { emitter, stream } = setupStream()
  const warnings = processWarnings(t)
  const sent = Array.from({ length: 20 }, () => emitter.sendAll(new ReadableStream()))
  await nextTurn()
  t.strictSame(warnings, [])
  stream.cut('kicked')
  for (const { status } of await Promise.allSettled(sent)) t.equal(status, 'rejected')
})

t.test('completing', async t => {
  t.test('ends after everything that was sent, and calls back once', async t => {
    const { emitter, stream, connection, read, completions } = setupStream()
    emitter.send('a')
    emitter.complete()
    t.equal(emitter.state, 'closed')
    t.strictSame(completions, [], 'not before the connection is closed')
    await t.rejects(emitter.send('b'), { ...closed('complete'), message: 'The event stream is closed: complete' })
    await nextTurn()
    t.equal(read(), 'data:a\n\n')
    t.strictSame(connection.calls, ['open', 'end'])
    emitter.complete()
    emitter.completeWithError(new Error('late'))
    stream.end('kicked')
    stream.close('client', false)
    t.strictSame(completions, ['complete'])
    t.match(connection.lines, [{ level: 'info', text: 'event stream closed', fields: { sse: { reason: 'complete', events: 1, bytes: 8, duration: Number } } }])
  })

  t.test('is not the reason if the client disconnects before it has everything', async t => {
    const { emitter, stream, connection, completions } = setupStream()
    connection.end = () => { stream.close('client', false) }
    emitter.send('x')
    emitter.complete()
    await nextTurn()
    t.strictSame(completions, ['client'])
    t.equal(await emitter.closed, 'client')
    t.match(connection.lines, [{ fields: { sse: { reason: 'client' } }, text: 'event stream closed' }])
  })

  t.test('opens and ends a stream that nothing was sent to', async t => {
    const { emitter, connection, completions } = setupStream()
    emitter.complete()
    await nextTurn()
    t.strictSame(connection.calls, ['open', 'end'])
    t.strictSame(completions, ['complete'])
  })

  t.test('ends a stream that is opening once it is open', async t => {
    const { emitter, stream, connection, read, transport } = setupStream()
    connection.slow = true
    emitter.send('a').catch(() => {})
    emitter.complete()
    await nextTurn()
    t.strictSame(connection.calls, ['open'])
    stream.attach(transport)
    await nextTurn()
    t.equal(read(), 'data:a\n\n')
    t.strictSame(connection.calls, ['open', 'end'])
  })

  t.test('pending sends resolve', async t => {
    const { emitter, transport } = setupStream()
    emitter.open()
    transport.full = true
    const waiting = emitter.send('a')
    emitter.complete()
    await t.resolves(waiting)
  })

  t.test('a stream that never opened ends with the reason of its response and is not logged', async t => {
    const { emitter, stream, connection, completions } = setupStream()
    connection.slow = true
    emitter.complete()
    stream.close('error', true)
    t.strictSame(completions, ['error'])
    t.strictSame(connection.lines, [])
  })
})

t.test('completing with an error', async t => {
  t.test('before the stream opens, the error is the response', async t => {
    const { emitter, stream, connection, completions } = setupStream()
    const errors: unknown[] = []
    const error = new Error('boom')
    emitter.onError(error => {
      errors.push(error)
      emitter.send('last').catch(() => {})
    })
    emitter.completeWithError(error)
    emitter.completeWithError(new Error('again'))
    t.strictSame(connection.calls, ['fail'], 'a callback cannot open the stream anymore')
    t.strictSame(errors, [error])
    stream.close('complete', true)
    t.strictSame(completions, ['error'])
  })

  t.test('after the stream has opened, it sends sse-error without internals', async t => {
    const { emitter, connection, read, completions } = setupStream()
    const errors: unknown[] = []
    emitter.onError(error => { errors.push(['first', error]) })
    emitter.onError(error => { errors.push(['second', error]) })
    const error = Object.assign(new Error('password is 1234'), { code: 'UPSTREAM_GONE' })
    emitter.send('a')
    emitter.completeWithError(error)
    await nextTurn()
    t.equal(read(), 'data:a\n\nevent:sse-error\ndata:{"code":"INTERNAL_ERROR","message":"An internal error occurred","retryable":false}\n\n')
    t.strictSame(errors, [['first', error], ['second', error]])
    t.strictSame(connection.calls, ['open', 'end'])
    t.strictSame(completions, ['error'])
    t.match(connection.lines[0], { level: 'error', text: 'event stream failed', fields: { err: error } })
  })

  t.test('sse-error shows what an error exposes', async t => {
    const { emitter, read } = setupStream()
    emitter.open()
    emitter.completeWithError(Object.assign(new Error('The model is busy'), { code: 'upstream_cut', expose: true, retryable: true }))
    await nextTurn()
    t.equal(read(), 'event:sse-error\ndata:{"code":"upstream_cut","message":"The model is busy","retryable":true}\n\n')
  })

  t.test('a stream ends with any error, which is logged', async t => {
    for (const [name, error] of hostileErrors()) {
      const { emitter, connection, read, completions } = setupStream()
      emitter.open()
      emitter.completeWithError(error)
      await nextTurn()
      t.equal(read(), 'event:sse-error\ndata:{"code":"INTERNAL_ERROR","message":"An internal error occurred","retryable":false}\n\n', name)
      t.match(connection.lines, [{ level: 'error', text: 'event stream failed', fields: { err: Error } }, { text: 'event stream closed' }], name)
      t.strictSame(completions, ['error'], name)
    }
  })

  t.test('a callback may send its own last event and complete', async t => {
    const { emitter, read, completions } = setupStream()
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

  t.test('a disconnect is not an error', async t => {
    const { emitter, stream } = setupStream()
    emitter.onError(() => { t.fail('onError') })
    emitter.open()
    stream.close('client', false)
  })
})

t.test('callbacks', async t => {
  t.test('a callback that throws or rejects is logged, and the others run', async t => {
    const { emitter, connection, completions } = setupStream()
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
      { text: 'event stream callback failed', fields: { err: { message: 'thrown' } } },
      { fields: { err: { message: 'rejected' } } }
    ])
  })

  t.test('a callback that is added late runs immediately', async t => {
    const advance = stopClock(t)
    const { emitter } = setupStream({ timeout: 100 })
    const ran: unknown[] = []
    emitter.open()
    await advance(300)
    emitter.onTimeout(() => { ran.push('timeout') })
    emitter.onCompletion(reason => { ran.push(reason) })
    t.strictSame(ran, ['timeout', 'timeout'])
    emitter.onError(() => { t.fail('there was no error') })

    const { emitter: failed } = setupStream()
    failed.completeWithError(new Error('boom'))
    failed.onError(error => { ran.push((error as Error).message) })
    t.equal(ran[2], 'boom')

    const { stream } = setupStream()
    stream.complete()
    await advance(10)
    stream.callbacks.onCompletion(reason => { ran.push(reason) })
    t.equal(ran[3], 'complete')
  })
})

t.test('timeout', async t => {
  t.test('counts from the opening and is not extended by sending', async t => {
    const advance = stopClock(t)
    const { emitter, connection, completions } = setupStream({ timeout: 1_000 })
    await advance(5_000)
    emitter.open()
    for (let times = 0; times < 9; times++) {
      await advance(100)
      emitter.send('x')
    }
    t.equal(emitter.state, 'open')
    await advance(200)
    t.equal(emitter.state, 'closed')
    t.strictSame(completions, ['timeout'])
    t.strictSame(connection.calls, ['open', 'end'])
  })

  t.test('callbacks may send last events', async t => {
    const advance = stopClock(t)
    const { emitter, read } = setupStream({ timeout: 100 })
    emitter.onTimeout(() => { emitter.send('bye') })
    emitter.onTimeout(() => { emitter.send('bye bye') })
    emitter.open()
    await advance(200)
    t.equal(read(), 'data:bye\n\ndata:bye bye\n\n')
  })

  t.test('a callback may complete the stream, as in Spring', async t => {
    const advance = stopClock(t)
    const { emitter, completions } = setupStream({ timeout: 100 })
    emitter.onTimeout(() => { emitter.complete() })
    emitter.open()
    await advance(200)
    t.strictSame(completions, ['timeout'])
  })

  t.test('waits for a callback that is busy', async t => {
    const advance = stopClock(t)
    const { emitter, read, completions } = setupStream({ timeout: 100 })
    let finish = (): void => {}
    emitter.onTimeout(async () => {
      await new Promise<void>(resolve => { finish = resolve })
      await emitter.send('bye')
    })
    emitter.open()
    await advance(2_000)
    t.equal(emitter.state, 'open')
    finish()
    await nextTurn()
    await nextTurn()
    t.equal(read(), 'data:bye\n\n')
    t.strictSame(completions, ['timeout'])
  })

  t.test('stops waiting for a busy callback after 5 s', async t => {
    const advance = stopClock(t)
    const { emitter, completions } = setupStream({ timeout: 100 })
    emitter.onTimeout(() => new Promise(() => {}))
    emitter.open()
    await advance(5_000)
    t.equal(emitter.state, 'open')
    await advance(300)
    t.strictSame(completions, ['timeout'])
  })
})

t.test('a stream ends at expiresAt', async t => {
  const advance = stopClock(t)
  const { emitter, completions, read } = setupStream({ expiresAt: Date.now() + 3_000 })
  await advance(1_000)
  emitter.open()
  await advance(1_900)
  t.equal(emitter.state, 'open')
  await advance(200)
  t.strictSame(completions, ['expired'])
  t.strictSame(decode(read()).events, [
    { id: undefined, event: 'sse-error', data: '{"code":"EXPIRED","message":"The event stream has expired","retryable":true}' }
  ])
})

t.test('what was published before the server ends a stream precedes the error', async t => {
  const { emitter, stream, fanOut, completions, read } = setupStream()
  await emitter.subscribe({ name: 'a' })
  fanOut.broker.publish('a', { data: 'last' }, { history: HISTORY })
  stream.endWith('kicked')
  stream.endWith('kicked')
  await nextTurn()
  t.strictSame(decode(read()).events.map(({ event, data }) => event ?? data), ['sse-ready', 'last', 'sse-error'])
  t.strictSame(completions, ['kicked'])
})

t.test('a subscriber without markers expires without an event', async t => {
  const advance = stopClock(t)
  const { emitter, completions, read } = setupStream({ expiresAt: Date.now() + 3_000 })
  emitter.open()
  emitter.subscribe({ name: 'a' }, { markers: false })
  await nextTurn()
  await advance(3_100)
  t.strictSame(completions, ['expired'])
  t.strictSame(decode(read()).events, [])
})

t.test('heartbeats', async t => {
  t.test('are sent only in silence', async t => {
    const advance = stopClock(t)
    const { emitter, read, transport } = setupStream({ heartbeat: 1_000 })
    await advance(5_000)
    t.equal(read(), '', 'not before the stream opens')
    emitter.open()
    await nextTurn()
    await nextTurn()
    transport.text = ''
    for (let times = 0; times < 5; times++) {
      await advance(900)
      emitter.send('x')
      await nextTurn()
    }
    t.equal(read(), 'data:x\n\n'.repeat(5), 'not between events')
    transport.text = ''
    await advance(3_300)
    t.equal(read(), ':\n'.repeat(3))
    emitter.complete()
    await nextTurn()
    transport.text = ''
    await advance(5_000)
    t.equal(read(), '', 'not after the end')
  })

  t.test('may be events, which do not count as sent', async t => {
    const advance = stopClock(t)
    const { emitter, stream, connection, read } = setupStream({ heartbeat: 1_000, heartbeatEvent: 'ping' })
    emitter.open()
    await advance(1_100)
    t.strictSame(decode(read()).events, [{ event: 'ping', data: '', id: undefined }])
    stream.close('client', false)
    t.match(connection.lines, [{ fields: { sse: { events: 0 } } }], 'a heartbeat is not counted')
  })

  t.test('are not sent while the connection is full', async t => {
    const advance = stopClock(t)
    const { emitter, read, transport } = setupStream({ heartbeat: 1_000 })
    emitter.send('a')
    transport.fillUp()
    await advance(10_000)
    t.equal(read(), 'data:a\n\n')
    transport.drain()
    await advance(900)
    t.equal(read(), 'data:a\n\n', 'silence starts at the drain')
    await advance(200)
    t.equal(read(), 'data:a\n\n:\n')
  })
})

t.test('a stalled client', async t => {
  t.test('is dropped after stallTimeout', async t => {
    const advance = stopClock(t)
    const { emitter, connection, completions, transport } = setupStream({ stallTimeout: 2_000 })
    emitter.open()
    emitter.send('x')
    transport.fillUp()
    await nextTurn()
    const waiting = emitter.send('y')
    const rejected = t.rejects(waiting, closed('slow'))
    await advance(1_900)
    t.equal(emitter.state, 'open')
    await advance(200)
    t.strictSame(connection.calls, ['open', 'cut'])
    t.strictSame(completions, ['slow'])
    await rejected
  })

  t.test('is not dropped if it drains in time', async t => {
    const advance = stopClock(t)
    const { emitter, transport } = setupStream({ stallTimeout: 2_000 })
    transport.fillUp()
    for (let times = 0; times < 5; times++) {
      emitter.send('x')
      await advance(1_900)
      transport.drain()
    }
    t.equal(emitter.state, 'open')
  })

  t.test('is dropped after the end of the stream, too, which is then not complete', async t => {
    const advance = stopClock(t)
    const { emitter, connection, completions } = setupStream({ stallTimeout: 2_000 })
    connection.end = () => { connection.calls.push('end') }
    emitter.send('x')
    emitter.complete()
    await advance(1_900)
    t.strictSame(connection.calls, ['open', 'end'])
    t.strictSame(completions, [])
    await advance(200)
    t.strictSame(connection.calls, ['open', 'end', 'cut'])
    t.strictSame(completions, ['slow'])
    t.match(connection.lines, [{ fields: { sse: { reason: 'slow' } }, text: 'event stream closed' }])
    await t.rejects(emitter.send('late'), closed('slow'))
  })

  t.test('is not dropped while it takes anything', async t => {
    const advance = stopClock(t)
    const { emitter, completions, transport } = setupStream({ stallTimeout: 2_000 })
    transport.fillUp()
    emitter.send('x')
    for (let times = 0; times < 20; times++) {
      transport.progress++
      await advance(1_400)
    }
    t.equal(emitter.state, 'open')
    await advance(2_000)
    t.strictSame(completions, ['slow'])
  })
})

t.test('shutdown', async t => {
  t.test('an open stream sends retry, ends and closes its connection', async t => {
    const { emitter, stream, connection, read, completions } = setupStream({ retry: 100 })
    emitter.send('a')
    stream.shutDown(2_345)
    stream.shutDown(5)
    await nextTurn()
    t.equal(read(), 'retry:100\ndata:a\n\nretry:2345\n\n')
    t.strictSame(connection.calls, ['open', 'end, close connection'])
    t.strictSame(completions, ['shutdown'])
  })

  t.test('a pending stream opens, so that the client has a response', async t => {
    const { emitter, stream, connection, read, completions } = setupStream()
    stream.shutDown(2_345)
    t.equal(emitter.state, 'closed')
    await nextTurn()
    t.strictSame(connection.calls, ['open', 'end, close connection'])
    await t.rejects(emitter.send('a'), closed('shutdown'))
    t.equal(read(), 'retry:2345\n\n')
    t.strictSame(completions, ['shutdown'])
  })

  t.test('a stream that does not end is cut', async t => {
    const { emitter, stream, connection, completions } = setupStream()
    emitter.open()
    stream.cut('shutdown')
    t.strictSame(connection.calls, ['open', 'cut'])
    t.strictSame(completions, ['shutdown'])
  })
})

t.test('a kicked stream ends after everything that was sent', async t => {
  const { emitter, stream, connection, read, completions } = setupStream()
  emitter.send('a')
  stream.end('kicked')
  await nextTurn()
  t.equal(read(), 'data:a\n\n')
  t.strictSame(connection.calls, ['open', 'end'])
  t.strictSame(completions, ['kicked'])
})

t.test('an ended stream leaves no timer on the wheel', async t => {
  const { emitter, wheel } = setupStream({ heartbeat: 1_000, timeout: 5_000 })
  t.equal(wheel.size, 0)
  emitter.open()
  t.equal(wheel.size, 1)
  emitter.complete()
  await nextTurn()
  t.equal(wheel.size, 0)
})
