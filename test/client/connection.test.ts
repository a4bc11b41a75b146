import { once } from 'node:events'
import t, { type Test } from 'tap'
import { connect, SseClientError, type SseConnection, type SseStandardSchema } from 'fastify-sse-emitter/client'
import { event, type SseEmitter } from 'fastify-sse-emitter'
import { z } from 'zod'
import { build } from '../fixtures/app.ts'
import { fakePage } from '../fixtures/browser-page.ts'
import { disconnect, FAST_RETRY, record, serve, status, text, type Responder } from '../fixtures/connection.ts'

const nextTurn = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })

/** Responds with an event stream that stays open. */
const openStream = text(':\n\n', { end: false })

/** Collects the errors that would be uncaught exceptions, until the end of the test. */
function collectUncaught (t: Test): unknown[] {
  const errors: unknown[] = []
  const { queueMicrotask } = globalThis
  t.intercept(globalThis, 'queueMicrotask', {
    value: (task: () => void) => {
      queueMicrotask(() => {
        try {
          task()
        } catch (error) {
          errors.push(error)
        }
      })
    }
  })
  return errors
}

t.test('after the last event of a stream that has ended for good, the client does not reconnect', async t => {
  for (const method of ['GET', 'POST']) {
    const { url, requests } = await serve(t, [text('id:1\ndata:a\n\nid:sse-end\nevent:end\ndata:b\n\n')])
    const { connection, log } = record(t, url, { method })
    t.equal(await connection.closed, undefined)
    t.strictSame(log, ['is open', 'open 200', 'message a #1', 'end b #sse-end', 'is closed'])
    t.equal(requests.length, 1)
  }
})

t.test('a connection that is lost after the last event of a stream is not a failure', async t => {
  const { url } = await serve(t, [disconnect('id:sse-end\nevent:end\ndata:b\n\n')])
  const { connection, log } = record(t, url, { method: 'POST' })
  t.equal(await connection.closed, undefined)
  t.strictSame(log, ['is open', 'open 200', 'end b #sse-end', 'is closed'])
})

t.test('after the end of a stream the client resumes after its last id, until the server responds with 204', async t => {
  const { url, requests } = await serve(t, [text('id:1\nevent:tick\ndata:a\n\ndata:b\n\n'), text('id:2\n\n'), text('data:c\n\nid\ndata:d\n\n'), status(204)])
  const { connection, log } = record(t, url)
  t.equal(connection.state, 'connecting')
  t.equal(await connection.closed, undefined)
  t.strictSame(log, [
    'is open', 'open 200', 'tick a #1', 'message b #1', 'is waiting', 'SSE_CLIENT_ERR_ENDED', 'is connecting',
    'is open', 'open 200', 'is waiting', 'SSE_CLIENT_ERR_ENDED', 'is connecting',
    'is open', 'open 200', 'message c #2', 'message d #', 'is waiting', 'SSE_CLIENT_ERR_ENDED', 'is connecting',
    'is closed'
  ])
  t.strictSame(requests.map(({ headers }) => headers['last-event-id']), [undefined, '1', '2', undefined])
  t.match(requests[0], { method: 'GET', headers: { accept: 'text/event-stream' }, query: {} })
  t.equal(connection.state, 'closed')
  t.equal(connection.lastEventId, '')
})

t.test('the client reconnects after a status that may be temporary', async t => {
  for (const code of [408, 425, 429, 500, 503]) {
    const { url } = await serve(t, [status(code, 'not now'), text('data:a\n\n'), status(204)])
    const { connection, log, errors } = record(t, url)
    t.equal(await connection.closed, undefined)
    t.strictSame(log.slice(0, 5), ['is waiting', 'SSE_CLIENT_ERR_STATUS', 'is connecting', 'is open', 'open 200'], String(code))
    t.match(errors[0], { error: { status: code, body: 'not now', retryAfter: undefined }, retry: { willRetry: true, delay: 1 } })
  }
})

t.test('delays grow until the server sends an event or a comment', async t => {
  const { url } = await serve(t, [
    status(503), status(503), text('retry:1\n\n'), status(503), text(':\n\n'), text('data:a\n\n'), text('id:1\n\n'), text('event:sse-error\ndata:{}\n\n'), status(503), status(204)
  ])
  const { connection, errors } = record(t, url)
  await connection.closed
  t.strictSame(errors.map(({ retry: { delay } }) => delay), [1, 2, 4, 8, 1, 1, 1, 2, 4])
})

t.test('the client reconnects after a network error', async t => {
  const { url, requests } = await serve(t, [disconnect(), disconnect('id:1\ndata:a\n\ndata:b'), status(204)])
  const { connection, log, errors } = record(t, url)
  t.equal(await connection.closed, undefined)
  t.strictSame(log.filter(line => !line.startsWith('is ')), ['SSE_CLIENT_ERR_NETWORK', 'open 200', 'message a #1', 'SSE_CLIENT_ERR_NETWORK'])
  t.ok(errors[0]!.error.cause instanceof Error)
  t.equal(requests.at(-1)!.headers['last-event-id'], '1')
})

t.test('the last attempt closes the connection', async t => {
  const { url, requests } = await serve(t, [status(503)])
  const { connection, errors } = record(t, url, { retry: { ...FAST_RETRY, attempts: 2 } })
  const error = await connection.closed
  t.match(error, { code: 'SSE_CLIENT_ERR_STATUS', status: 503 })
  t.equal(requests.length, 3)
  t.strictSame(errors.map(({ retry: { willRetry } }) => willRetry), [true, true, false])
  t.equal(errors[2]!.error, error)
})

t.test('events of the server about the stream have callbacks of their own', async t => {
  const gap = { channel: 'a', from: '1', to: '2' }
  const { url } = await serve(t, [
    text(`event:sse-ready\nid:1\ndata:{}\n\ndata:a\n\nevent:sse-heartbeat\nid:2\ndata:\n\nevent:sse-gap\nid:3\ndata:${JSON.stringify({ gaps: [gap] })}\n\n` +
      'event:sse-reset\nid:4\ndata:{}\n\nevent:sse-other\ndata:b\n\nevent:sse-error\ndata:{"code":"SSE_ERR_SERIALIZE"}\n\n'),
    text('data:c\n\n'),
    status(204)
  ])
  const { connection, log, errors } = record(t, url)
  await connection.closed
  t.strictSame(log.filter(line => !line.startsWith('is ')), [
    'open 200', 'ready', 'message a #1', `gap ${JSON.stringify([gap])}`, 'reset', 'sse-other b #4', 'SSE_CLIENT_ERR_SERVER',
    'open 200', 'message c #4', 'SSE_CLIENT_ERR_ENDED'
  ])
  t.equal(errors[0]!.error.serverCode, 'SSE_ERR_SERIALIZE')
})

t.test('a subscriber of a channel misses nothing while its connection is cut, and learns of gaps and resets', async t => {
  const { app, listen } = await build(t, { retry: 1 })
  const channel = app.sse.channel('a', { history: { count: 5 } })
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.subscribe(channel)
    return emitter
  })
  const url = await listen()
  const { connection, logged, log } = record(t, url)
  await logged('ready')
  for (let number = 1; number <= 30; number++) {
    await channel.publish(String(number))
    if (number % 5 === 0) {
      app.sse.close()
      await logged('ready', 1 + number / 5)
    }
  }
  const events = log.filter(line => line.startsWith('message'))
  t.strictSame(events.map(line => line.split(' ')[1]), Array.from({ length: 30 }, (_, index) => String(index + 1)))
  connection.close()

  const { lastEventId } = connection
  for (let number = 31; number <= 40; number++) await channel.publish(String(number))
  const late = record(t, url, { lastEventId })
  await late.logged(/^message 40/)
  t.match(late.log.slice(2), [/^gap \[\{"channel":"a","from":".+","to":".+"\}\]$/, /^message 36 /, /^message 37/, /^message 38/, /^message 39/, /^message 40/])
  late.connection.close()

  const foreign = record(t, url, { lastEventId: 'of-another-server.5-0' })
  await foreign.logged(/^message 40/)
  t.equal(foreign.log[2], 'reset')
})

t.test('the client reconnects when no data arrives within heartbeatTimeout', async t => {
  const stream = text('id:1\ndata:a\n\n', { end: false })
  const { url } = await serve(t, [async (request, reply) => await (request.headers['last-event-id'] === '1' ? status(204) : stream)(request, reply)])
  const { connection, errors, log } = record(t, url, { heartbeatTimeout: 500 })
  t.equal(await connection.closed, undefined)
  t.match(errors.at(-1), { error: { code: 'SSE_CLIENT_ERR_TIMEOUT', message: 'No data received for 500 ms' }, retry: { willRetry: true } })
  t.ok(log.includes('message a #1'))
})

t.test('the client reconnects when no response arrives within heartbeatTimeout, even if fetch rejects with another error than the reason of its signal', async t => {
  const { url } = await serve(t, [async () => await new Promise(() => {}), status(204)])
  const { fetch } = globalThis
  t.intercept(globalThis, 'fetch', { value: async (...args: Parameters<typeof fetch>) => await fetch(...args).catch(() => { throw new Error('AbortError') }) })
  const { connection, errors } = record(t, url, { heartbeatTimeout: 500 })
  t.equal(await connection.closed, undefined)
  t.match(errors[0], { error: { code: 'SSE_CLIENT_ERR_TIMEOUT' } })
})

t.test('a page that wakes reconnects immediately, unless the server requested a delay', async t => {
  const page = fakePage(t)
  const { url, requests, received } = await serve(t, [status(503), status(503), status(503, '', { 'retry-after': '600' })])
  const { logged, connection } = record(t, url, { retry: { initial: 600_000, max: 600_000 } })
  await logged('SSE_CLIENT_ERR_STATUS')
  page.setVisibility('visible')
  await received(2)
  await logged('SSE_CLIENT_ERR_STATUS', 2)
  page.goOnline()
  await received(3)
  await logged('SSE_CLIENT_ERR_STATUS', 3)
  page.goOnline()
  await nextTurn()
  t.equal(connection.state, 'waiting')
  t.equal(requests.length, 3)
})

t.test('a page that wakes checks whether its connection is still alive', async t => {
  const page = fakePage(t)
  const { url } = await serve(t, [text('data:a\n\n', { end: false }), status(204)])
  const { logged, connection } = record(t, url, { heartbeatTimeout: 600_000 })
  await logged('message a #')
  await nextTurn()
  const later = Date.now() + 700_000
  t.intercept(Date, 'now', { value: () => later })
  page.setVisibility('visible')
  t.equal(await connection.closed, undefined)
  await logged('SSE_CLIENT_ERR_TIMEOUT')
})

t.test('an event above maxEventLength closes the connection, after earlier events are dispatched', async t => {
  const { url } = await serve(t, [text(`data:a\n\ndata:${'x'.repeat(101)}\n\n`)])
  const { connection, log } = record(t, url, { maxEventLength: 100 })
  t.match(await connection.closed, { code: 'SSE_CLIENT_ERR_TOO_LARGE', message: /more than 100 characters/ })
  t.strictSame(log, ['is open', 'open 200', 'message a #', 'is closed', 'SSE_CLIENT_ERR_TOO_LARGE, final'])
})

t.test('the promise of a callback is awaited before the next event', async t => {
  const { url } = await serve(t, [text('data:a\n\nevent:sse-reset\ndata:{}\n\ndata:b\n\n'), status(204)])
  const done: string[] = []
  const slowly = (name: string) => async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) await nextTurn()
    done.push(`${name} done`)
  }
  const { connection } = record(t, url, { onEvent: async ({ data }) => { done.push(data); await slowly(data)() }, onReset: slowly('reset') })
  await connection.closed
  t.strictSame(done, ['a', 'a done', 'reset done', 'b', 'b done'])
})

t.test('an error thrown by a callback is an uncaught exception, and the connection stays open', async t => {
  const errors = collectUncaught(t)
  const { url } = await serve(t, [text('data:a\n\ndata:b\n\n'), status(204)])
  const { connection, log } = record(t, url, {
    onOpen: () => { throw new Error('onOpen') },
    onEvent: async ({ data }) => { throw new Error(data) },
    onError: () => { throw new Error('onError') },
    onState: state => { throw new Error(state) }
  })
  t.equal(await connection.closed, undefined)
  t.ok(log.includes('message b #'))
  await nextTurn()
  t.strictSame(errors.map(error => (error as Error).message), ['open', 'onOpen', 'a', 'b', 'waiting', 'onError', 'connecting', 'closed'])
})

t.test('no callback is called after the connection was closed in another', async t => {
  const stream = text('data:a\n\ndata:b\n\n')
  const rows: Array<[where: string, responder: Responder, options: (close: () => void) => object]> = [
    ['onState: open', stream, close => ({ onState: (state: string) => { if (state === 'open') close() } })],
    ['onOpen', stream, close => ({ onOpen: close })],
    ['onEvent', stream, close => ({ onEvent: close })],
    ['the promise of onEvent', stream, close => ({ onEvent: async () => { await nextTurn(); close() } })],
    ['onState: waiting', status(503), close => ({ onState: (state: string) => { if (state === 'waiting') close() } })],
    ['onError', status(503), close => ({ onError: close, retry: { initial: 600_000 } })],
    ['headers', stream, close => ({ headers: async () => { close(); await nextTurn(); return {} } })]
  ]
  for (const [where, responder, options] of rows) {
    const { url, requests } = await serve(t, [responder])
    const { connection, log } = record(t, url, { ...options(() => { connection.close() }) })
    t.equal(await connection.closed, undefined, where)
    for (let turn = 0; turn < 10; turn++) await nextTurn()
    t.equal(log.at(-1), 'is closed', `${where}: ${log.join()}`)
    t.equal(log.filter(line => line.startsWith('message')).length, where.includes('onEvent') ? 1 : 0, where)
    t.equal(requests.length, where === 'headers' ? 0 : 1)
    connection.close()
    t.equal(log.filter(line => line === 'is closed').length, 1)
  }
})

t.test('it can be closed before and after the response', async t => {
  for (const stage of ['before the response', 'after the response']) {
    const { app, url, received } = await serve(t, [stage === 'before the response' ? async () => await new Promise(() => {}) : openStream])
    const [[socket], { connection, logged, log }] = await Promise.all([once(app.server, 'connection'), record(t, url)])
    await (stage === 'before the response' ? received(1) : logged('open 200'))
    connection.close()
    t.equal(await connection.closed, undefined)
    // The server sees the disconnect.
    if (!socket.closed) await once(socket, 'close')
    t.equal(log.at(-1), 'is closed')
  }
})

t.test('a response that arrives while the connection is closed is not read', async t => {
  const { url } = await serve(t, [openStream])
  const { fetch } = globalThis
  t.intercept(globalThis, 'fetch', {
    value: async (...args: Parameters<typeof fetch>) => {
      const response = await fetch(...args)
      connection.close()
      return response
    }
  })
  const { connection, log } = record(t, url)
  await connection.closed
  await nextTurn()
  t.strictSame(log, ['is closed'])
})

t.test('a signal closes the connection, which then removes its listener', async t => {
  const { url, requests } = await serve(t, [openStream])
  const before = record(t, url, { signal: AbortSignal.abort() })
  t.equal(await before.connection.closed, undefined)
  t.strictSame(before.log, ['is closed'])

  const controller = new AbortController()
  let listeners = 0
  const { addEventListener, removeEventListener } = controller.signal
  controller.signal.addEventListener = function (...args: Parameters<typeof addEventListener>) { listeners++; addEventListener.apply(this, args) }
  controller.signal.removeEventListener = function (...args: Parameters<typeof removeEventListener>) { listeners--; removeEventListener.apply(this, args) }
  const during = record(t, url, { signal: controller.signal })
  await during.logged('open 200')
  controller.abort()
  t.equal(await during.connection.closed, undefined)
  t.equal(listeners, 0)
  t.equal(requests.length, 1)
})

t.test('closing the connection clears its timers', async t => {
  const HEARTBEAT_TIMEOUT = 44_444
  const DELAY = 55_555
  const timers = new Set<unknown>()
  const { setTimeout, clearTimeout } = globalThis
  t.intercept(globalThis, 'setTimeout', {
    value: (callback: () => void, ms: number) => {
      const timer = setTimeout(callback, ms)
      // fetch sets timers, too.
      if (ms === HEARTBEAT_TIMEOUT || ms === DELAY) timers.add(timer)
      return timer
    }
  })
  t.intercept(globalThis, 'clearTimeout', { value: (timer: NodeJS.Timeout) => { timers.delete(timer); clearTimeout(timer) } })
  for (const [responder, line] of [[openStream, 'open 200'], [status(503), 'SSE_CLIENT_ERR_STATUS']] as const) {
    const { url } = await serve(t, [responder])
    const { connection, logged } = record(t, url, { heartbeatTimeout: HEARTBEAT_TIMEOUT, retry: { initial: DELAY, max: DELAY, jitter: 0 } })
    await logged(line)
    await nextTurn()
    t.equal(timers.size, 1)
    connection.close()
    await nextTurn()
    t.equal(timers.size, 0)
  }
})

t.test('a connection can be iterated over', async t => {
  t.test('events are read when the loop requests them, and callbacks run in order with them', async t => {
    const { url, requests } = await serve(t, [text('data:a\n\nevent:sse-gap\ndata:{}\n\ndata:b\n\n'), text('event:tick\nid:1\ndata:c\n\n'), status(204)])
    const seen: string[] = []
    for await (const { type, data, id } of connect(url, { retry: FAST_RETRY, onGap: () => { seen.push('gap') } })) {
      seen.push(`${type} ${data} ${id}`)
      // Nothing else happens before the loop requests the next event.
      for (let turn = 0; turn < 5; turn++) await nextTurn()
    }
    t.strictSame(seen, ['message a ', 'gap', 'message b ', 'tick c 1'])
    t.equal(requests.length, 3)
  })

  t.test('an iteration may begin after the first event arrived, and request more events than there are', async t => {
    const { url } = await serve(t, [text('data:a\n\n'), status(204)])
    const opened = new Promise(resolve => { setImmediate(resolve) })
    const connection = connect(url, { retry: FAST_RETRY })
    await opened
    const iterator = connection[Symbol.asyncIterator]()
    const results = await Promise.all([iterator.next(), iterator.next(), iterator.next()])
    t.match(results, [{ value: { data: 'a' }, done: false }, { value: undefined, done: true }, { value: undefined, done: true }])
  })

  t.test('leaving the loop closes the connection', async t => {
    const { app, listen } = await build(t)
    const emitters: SseEmitter[] = []
    app.get('/', async (_request, reply) => {
      const emitter = reply.sse()
      emitters.push(emitter)
      await emitter.sendAll(['a', 'b', 'c'])
      return emitter
    })
    const connection = connect(await listen())
    for await (const { data } of connection) if (data === 'b') break
    t.equal(connection.state, 'closed')
    t.equal(await connection.closed, undefined)
    t.equal(await emitters[0]!.closed, 'client')
  })

  t.test('closing the connection ends the loop', async t => {
    const { url } = await serve(t, [text('data:a\n\ndata:b\n\n', { end: false })])
    const connection = connect(url)
    const seen: string[] = []
    for await (const { data } of connection) {
      seen.push(data)
      connection.close()
    }
    t.strictSame(seen, ['a'])
  })

  t.test('an error that closes the connection is thrown', async t => {
    const { url } = await serve(t, [text('data:a\n\n')])
    const seen: string[] = []
    await t.rejects(async () => {
      for await (const { data } of connect(url, { method: 'POST' })) seen.push(data)
    }, { code: 'SSE_CLIENT_ERR_ENDED' })
    t.strictSame(seen, ['a'])
  })

  t.test('a second iteration fails, and so does one beside onEvent', async t => {
    const { url } = await serve(t, [openStream])
    const beside = record(t, url)
    await t.rejects(async () => { for await (const message of beside.connection) t.fail(message.data) }, { code: 'SSE_CLIENT_ERR_ITERATED' })
    const connection = connect(url)
    t.teardown(() => { connection.close() })
    connection[Symbol.asyncIterator]().next()
    await t.rejects(connection[Symbol.asyncIterator]().next(), SseClientError)
  })

  t.test('a loop that stops makes the server see a slow client', async t => {
    const { app, listen } = await build(t, { stallTimeout: 200, retry: 1 })
    const emitters: SseEmitter[] = []
    const block = 'x'.repeat(64 * 1_024)
    const COUNT = 512
    app.get('/', async (_request, reply) => {
      const emitter = reply.sse()
      emitters.push(emitter)
      emitter.sendAll((function * () {
        for (let number = Number(emitter.lastEventId ?? 0) + 1; number <= COUNT; number++) yield event(block, { id: String(number) })
      })())
      return emitter
    })
    const ids: number[] = []
    for await (const { id } of connect(await listen(), { retry: FAST_RETRY, heartbeatTimeout: 0 })) {
      if (ids.push(Number(id)) === 1) t.equal(await emitters[0]!.closed, 'slow')
      if (ids.length === COUNT) break
    }
    t.strictSame(ids, Array.from({ length: COUNT }, (_, index) => index + 1))
  })
})

t.test('the data of events with a schema is parsed and validated; that of others is text', async t => {
  const { url } = await serve(t, [text('event:sse-ready\ndata:{}\n\nid:1\nevent:tick\ndata:{"price":1,"more":2}\n\nid:2\nevent:other\ndata:{}\n\ndata:"text"\n\n'), status(204)])
  const received: unknown[] = []
  const schemas = { tick: z.object({ price: z.number() }), message: z.string() }
  const connection = connect(url, { schemas, retry: FAST_RETRY, onEvent: message => { received.push(message) } })
  t.equal(await connection.closed, undefined)
  t.strictSame(received, [{ type: 'tick', data: { price: 1 }, id: '1' }, { type: 'other', data: '{}', id: '2' }, { type: 'message', data: 'text', id: '2' }])
})

t.test('a loop receives what `parse` returns', async t => {
  const { url } = await serve(t, [text('event:tick\ndata:{"price":1}\n\n'), status(204)])
  const received: unknown[] = []
  for await (const { type, data } of connect<{ tick: { price: number } }>(url, { parse: JSON.parse, retry: FAST_RETRY })) received.push(type, data.price)
  t.strictSame(received, ['tick', 1])
})

t.test('invalid data closes the connection before the event, and nothing after it is delivered', async t => {
  const { url, requests } = await serve(t, [text('id:1\nevent:tick\ndata:1\n\nid:2\nevent:tick\ndata:"high"\n\nid:3\nevent:tick\ndata:3\n\n')])
  const received: unknown[] = []
  const errors: unknown[] = []
  const connection = connect(url, {
    schemas: { tick: z.number() }, retry: FAST_RETRY, onEvent: ({ data }) => { received.push(data) }, onError: (error, retry) => { errors.push(error, retry) }
  })
  const error = await connection.closed
  t.match(error, { code: 'SSE_CLIENT_ERR_DATA', issues: [{ message: String }] })
  t.strictSame(errors, [error, { willRetry: false, delay: 0 }])
  t.strictSame([received, connection.lastEventId, requests.length], [[1], '1', 1])
  await t.rejects(async () => { for await (const message of connect(url, { schemas: { tick: z.string() } })) t.fail(message.data) }, { code: 'SSE_CLIENT_ERR_DATA' })
})

t.test('an event is not delivered if the connection is closed while it is validated', async t => {
  const received: unknown[] = []
  const tick: SseStandardSchema<number> = {
    '~standard': {
      validate: async value => {
        connection.close()
        return { value: value as number }
      }
    }
  }
  const { url } = await serve(t, [text('id:1\nevent:tick\ndata:1\n\n', { end: false })])
  const connection: SseConnection<unknown> = connect(url, { schemas: { tick }, onEvent: message => { received.push(message) } })
  t.equal(await connection.closed, undefined)
  await nextTurn()
  t.strictSame([received, connection.lastEventId], [[], ''])
})
