import { once } from 'node:events'
import t, { type Test } from 'tap'
import { connect, SseClientError } from 'fastify-sse-emitter/client'
import { event, type SseEmitter } from 'fastify-sse-emitter'
import { build } from '../fixtures/app.ts'
import { serve, SOON, status, text, watch, type Answer } from '../fixtures/connection.ts'
import { pretend } from '../fixtures/page.ts'

const nextTurn = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })

/** A stream that stays open and says nothing. */
const quiet = text(':\n\n', { end: false })

/** Cuts the connection off, in the midst of a stream or before it has begun. */
function cut (text = ''): Answer {
  return async (_request, reply) => {
    reply.hijack()
    if (text !== '') {
      reply.raw.writeHead(200, { 'content-type': 'text/event-stream' })
      await new Promise(resolve => { reply.raw.write(text, resolve) })
    }
    reply.raw.destroy()
  }
}

/** What is thrown where nobody catches it, from here on to the end of the test. */
function uncaught (t: Test): unknown[] {
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

t.test('a stream that ends is come back to after its last id, until the server has no more', async t => {
  const { url, asked } = await serve(t, [text('id:1\nevent:tick\ndata:a\n\ndata:b\n\n'), text('id:2\n\n'), text('data:c\n\nid\ndata:d\n\n'), status(204)])
  const { connection, log } = watch(t, url)
  t.equal(connection.state, 'connecting')
  t.equal(await connection.closed, undefined)
  t.strictSame(log, [
    'is open', 'open 200', 'tick a #1', 'message b #1', 'is waiting', 'SSE_ERR_ENDED', 'is connecting',
    'is open', 'open 200', 'is waiting', 'SSE_ERR_ENDED', 'is connecting',
    'is open', 'open 200', 'message c #2', 'message d #', 'is waiting', 'SSE_ERR_ENDED', 'is connecting',
    'is closed'
  ])
  t.strictSame(asked.map(({ headers }) => headers['last-event-id']), [undefined, '1', '2', undefined])
  t.match(asked[0], { method: 'GET', headers: { accept: 'text/event-stream' }, query: {} })
  t.equal(connection.state, 'closed')
  t.equal(connection.lastEventId, '')
})

t.test('an id may be any text', async t => {
  const { app, listen } = await build(t)
  const ids: Array<string | undefined> = []
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    ids.push(emitter.lastEventId)
    if (ids.length > 1) reply.code(204)
    emitter.send('a', { id: 'größer 😀' })
    emitter.complete()
  })
  const { connection } = watch(t, await listen(), { lastEventId: 'ältest' })
  t.equal(await connection.closed, undefined)
  t.strictSame(ids, ['ältest', 'größer 😀'])
})

t.test('a page asks another origin by a parameter, its own by the header', async t => {
  const { url, asked } = await serve(t, [status(204)])
  const ask = async (origin: string, options = {}): Promise<void> => {
    pretend(t, origin)
    await watch(t, new URL('?a=b', url), { lastEventId: 'ä&1', ...options }).connection.closed
  }
  await ask(url.origin)
  await ask('http://elsewhere')
  await ask('http://elsewhere', { lastEventIdParameter: 'from' })
  await ask('http://elsewhere', { lastEventIdParameter: null })
  await ask('http://elsewhere', { lastEventId: '' })
  const bytes = Buffer.from('ä&1').toString('latin1')
  t.strictSame(asked.map(({ headers, query }) => [headers['last-event-id'], { ...query }]), [
    [bytes, { a: 'b' }],
    [undefined, { a: 'b', lastEventId: 'ä&1' }],
    [undefined, { a: 'b', from: 'ä&1' }],
    [bytes, { a: 'b' }],
    [undefined, { a: 'b' }]
  ])
})

t.test('what passes is waited for', async t => {
  for (const code of [408, 425, 429, 500, 503]) {
    const { url } = await serve(t, [status(code, 'not now'), text('data:a\n\n'), status(204)])
    const { connection, log, errors } = watch(t, url)
    t.equal(await connection.closed, undefined)
    t.strictSame(log.slice(0, 5), ['is waiting', 'SSE_ERR_STATUS', 'is connecting', 'is open', 'open 200'], String(code))
    t.match(errors[0], { error: { status: code, body: 'not now', retryAfter: undefined }, outlook: { willRetry: true, delay: 1 } })
  }
})

t.test('Retry-After and retry say how long', async t => {
  const { url } = await serve(t, [text('retry:20\ndata:a\n\n'), status(503, '', { 'retry-after': '7' })])
  const { heard, connection, errors } = watch(t, url)
  await heard('SSE_ERR_STATUS')
  connection.close()
  t.match(errors.map(({ outlook }) => outlook), [{ delay: 20 }, { delay: 7_000 }])
  t.match(errors[1]!.error, { status: 503, retryAfter: 7_000, message: 'The server answered 503 Service Unavailable' })
})

t.test('pauses grow until something comes, be it a comment', async t => {
  const { url } = await serve(t, [
    status(503), status(503), text('retry:1\n\n'), status(503), text(':\n\n'), text('data:a\n\n'), text('id:1\n\n'), text('event:sse-error\ndata:{}\n\n'), status(503), status(204)
  ])
  const { connection, errors } = watch(t, url)
  await connection.closed
  t.strictSame(errors.map(({ outlook: { delay } }) => delay), [1, 2, 4, 8, 1, 1, 1, 2, 4])
})

t.test('a network that fails is waited for', async t => {
  const { url, asked } = await serve(t, [cut(), cut('id:1\ndata:a\n\ndata:b'), status(204)])
  const { connection, log, errors } = watch(t, url)
  t.equal(await connection.closed, undefined)
  t.strictSame(log.filter(line => !line.startsWith('is ')), ['SSE_ERR_NETWORK', 'open 200', 'message a #1', 'SSE_ERR_NETWORK'])
  t.ok(errors[0]!.error.cause instanceof Error)
  t.equal(asked.at(-1)!.headers['last-event-id'], '1')
})

t.test('there are no more attempts than are allowed', async t => {
  const { url, asked } = await serve(t, [status(503)])
  const { connection, errors } = watch(t, url, { retry: { ...SOON, attempts: 2 } })
  const error = await connection.closed
  t.match(error, { code: 'SSE_ERR_STATUS', status: 503 })
  t.equal(asked.length, 3)
  t.strictSame(errors.map(({ outlook: { willRetry } }) => willRetry), [true, true, false])
  t.equal(errors[2]!.error, error)
})

t.test('an answer that will not change closes the connection, with what it says', async t => {
  const rows: Array<[answer: Answer, error: object]> = [
    [status(401, 'who are you?'), { code: 'SSE_ERR_STATUS', status: 401, body: 'who are you?' }],
    [status(200, '<p>', { 'content-type': 'text/html' }), { code: 'SSE_ERR_CONTENT_TYPE', status: 200, body: '<p>', message: /answered with text\/html, where/ }],
    [status(200, 'x', { 'content-type': 'text/event-stream-not' }), { code: 'SSE_ERR_CONTENT_TYPE' }],
    [async (_request, reply) => { reply.hijack().raw.end('x') }, { code: 'SSE_ERR_CONTENT_TYPE', body: 'x', message: /no content type, where/ }],
    [status(205, '', { 'content-type': 'text/event-stream' }), { code: 'SSE_ERR_CONTENT_TYPE', body: '' }],
    [status(404, 'é'.repeat(20_000)), { code: 'SSE_ERR_STATUS', body: 'é'.repeat(16_384) }]
  ]
  for (const [answer, expected] of rows) {
    const { url, asked } = await serve(t, [answer])
    const { connection, log, errors } = watch(t, url)
    t.match(await connection.closed, expected)
    t.match(log, ['is closed', /, for good$/])
    t.strictSame(errors[0]!.outlook, { willRetry: false, delay: 0 })
    t.equal(asked.length, 1)
  }
})

t.test('a content type may have parameters, and capitals', async t => {
  const { url } = await serve(t, [async (_request, reply) => await reply.header('content-type', 'Text/Event-Stream ; charset=utf-8').send('data:a\n\n'), status(204)])
  const { connection, log } = watch(t, url)
  await connection.closed
  t.ok(log.includes('message a #'), log.join())
})

t.test('an answer that breaks off, or never ends, says what it has said', async t => {
  const partly = (end: boolean): Answer => async (_request, reply) => {
    reply.hijack()
    await new Promise(resolve => { reply.raw.writeHead(403, { 'content-length': 100 }).write('no', resolve) })
    if (end) reply.raw.destroy()
  }
  for (const end of [true, false]) {
    const { url } = await serve(t, [partly(end)])
    t.match(await watch(t, url, { heartbeatTimeout: 500 }).connection.closed, { code: 'SSE_ERR_STATUS', status: 403, body: 'no' })
  }
})

t.test('headers are made anew for each request', async t => {
  let token = 0
  const { url, asked } = await serve(t, [text('data:a\n\n'), text('data:b\n\n'), status(204)])
  await watch(t, url, { headers: async () => ({ authorization: `Bearer ${token++}`, accept: '*/*' }) }).connection.closed
  t.match(asked.map(({ headers: { authorization, accept } }) => [authorization, accept]), [['Bearer 0', '*/*'], ['Bearer 1', '*/*'], ['Bearer 2', '*/*']])
})

t.test('headers that fail are tried again, and nothing is sent without them', async t => {
  const { url, asked } = await serve(t, [status(204)])
  const failing: Array<() => Record<string, string>> = [() => { throw new Error('no token') }, () => ({ 'a b': 'c' }), () => ({ a: 'b' })]
  const { connection, errors } = watch(t, url, { method: 'POST', headers: () => failing.shift()!() })
  t.equal(await connection.closed, undefined)
  t.match(errors, [{ error: { code: 'SSE_ERR_HEADERS', message: 'There are no headers to connect with: no token', cause: { message: 'no token' } } }, { error: { code: 'SSE_ERR_HEADERS' } }])
  t.match(asked, [{ method: 'POST', headers: { a: 'b' } }])
  t.equal(asked.length, 1)
})

t.test('a request that may not be sent twice is not', async t => {
  const endings: Array<[answer: Answer, code: string]> = [
    [text('data:a\n\n'), 'SSE_ERR_ENDED'], [cut('data:a\n\n'), 'SSE_ERR_NETWORK'], [cut(), 'SSE_ERR_NETWORK'], [status(503, '', { 'retry-after': '1' }), 'SSE_ERR_STATUS']
  ]
  for (const [answer, code] of endings) {
    for (const options of [{ method: 'POST', body: 'x' }, { method: 'post', idempotent: false, headers: { 'idempotency-key': '1' } }, { idempotent: false }]) {
      const { url, asked } = await serve(t, [answer])
      const { connection, errors } = watch(t, url, options)
      t.match(await connection.closed, { code })
      t.match(errors, [{ outlook: { willRetry: false } }])
      t.equal(asked.length, 1, code)
    }
  }
})

t.test('one that may be is, with its body', async t => {
  for (const options of [{ idempotent: true }, { headers: { 'Idempotency-Key': '1' } }, { headers: () => ({ 'Idempotency-Key': '1' }) }]) {
    const { url, asked } = await serve(t, [cut(), status(503), text('id:7\ndata:a\n\n'), status(204)])
    const { connection } = watch(t, url, { method: 'POST', body: 'hello', ...options })
    t.equal(await connection.closed, undefined)
    t.strictSame(asked.map(({ method, body }) => [method, body]), Array(4).fill(['POST', 'hello']))
    t.equal(asked.at(-1)!.headers['last-event-id'], '7')
  }
})

t.test('an idempotency key that changes is none', async t => {
  let key = 0
  const { url, asked } = await serve(t, [text('data:a\n\n')])
  const { connection } = watch(t, url, { method: 'POST', headers: () => ({ 'idempotency-key': String(key++) }) })
  t.match(await connection.closed, { code: 'SSE_ERR_IDEMPOTENCY_KEY' })
  t.equal(asked.length, 1)
})

t.test('what the server says of the stream is no event', async t => {
  const gap = { channel: 'a', from: '1', to: '2' }
  const { url } = await serve(t, [
    text(`event:sse-ready\nid:1\ndata:{}\n\ndata:a\n\nevent:sse-heartbeat\nid:2\ndata:\n\nevent:sse-gap\nid:3\ndata:${JSON.stringify({ gaps: [gap] })}\n\n` +
      'event:sse-reset\nid:4\ndata:{}\n\nevent:sse-other\ndata:b\n\nevent:sse-error\ndata:{"code":"SSE_ERR_SERIALIZE"}\n\n'),
    text('data:c\n\n'),
    status(204)
  ])
  const { connection, log, errors } = watch(t, url)
  await connection.closed
  t.strictSame(log.filter(line => !line.startsWith('is ')), [
    'open 200', 'ready', 'message a #1', `gap ${JSON.stringify([gap])}`, 'reset', 'sse-other b #4', 'SSE_ERR_SERVER',
    'open 200', 'message c #4', 'SSE_ERR_ENDED'
  ])
  t.equal(errors[0]!.error.serverCode, 'SSE_ERR_SERIALIZE')
})

t.test('it follows a channel without a gap, however often it is cut off, and is told of one', async t => {
  const { app, listen } = await build(t, { retry: 1 })
  const channel = app.sse.channel('a', { history: { count: 5 } })
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.subscribe(channel)
    return emitter
  })
  const url = await listen()
  const { connection, heard, log } = watch(t, url)
  await heard('ready')
  for (let number = 1; number <= 30; number++) {
    await channel.publish(String(number))
    if (number % 5 === 0) {
      app.sse.close()
      await heard('ready', 1 + number / 5)
    }
  }
  const events = log.filter(line => line.startsWith('message'))
  t.strictSame(events.map(line => line.split(' ')[1]), Array.from({ length: 30 }, (_, index) => String(index + 1)))
  connection.close()

  const { lastEventId } = connection
  for (let number = 31; number <= 40; number++) await channel.publish(String(number))
  const late = watch(t, url, { lastEventId })
  await late.heard(/^message 40/)
  t.match(late.log.slice(2), [/^gap \[\{"channel":"a","from":".+","to":".+"\}\]$/, /^message 36 /, /^message 37/, /^message 38/, /^message 39/, /^message 40/])
  late.connection.close()

  const foreign = watch(t, url, { lastEventId: 'of-another-server.5-0' })
  await foreign.heard(/^message 40/)
  t.equal(foreign.log[2], 'reset')
})

t.test('a connection that has died is made anew', async t => {
  const stream = text('id:1\ndata:a\n\n', { end: false })
  const { url } = await serve(t, [async (request, reply) => await (request.headers['last-event-id'] === '1' ? status(204) : stream)(request, reply)])
  const { connection, errors, log } = watch(t, url, { heartbeatTimeout: 500 })
  t.equal(await connection.closed, undefined)
  t.match(errors.at(-1), { error: { code: 'SSE_ERR_SILENT', message: 'Nothing came for 500 ms' }, outlook: { willRetry: true } })
  t.ok(log.includes('message a #1'))
})

t.test('a server that does not answer is asked again, also by a browser that does not say why it gave up', async t => {
  const { url } = await serve(t, [async () => await new Promise(() => {}), status(204)])
  const { fetch } = globalThis
  t.intercept(globalThis, 'fetch', { value: async (...args: Parameters<typeof fetch>) => await fetch(...args).catch(() => { throw new Error('AbortError') }) })
  const { connection, errors } = watch(t, url, { heartbeatTimeout: 500 })
  t.equal(await connection.closed, undefined)
  t.match(errors[0], { error: { code: 'SSE_ERR_SILENT' } })
})

t.test('a page that wakes does not wait, unless the server wants it', async t => {
  const page = pretend(t)
  const { url, asked, askedFor } = await serve(t, [status(503), status(503), status(503, '', { 'retry-after': '600' })])
  const { heard, connection } = watch(t, url, { retry: { initial: 600_000, max: 600_000 } })
  await heard('SSE_ERR_STATUS')
  page.show('visible')
  await askedFor(2)
  await heard('SSE_ERR_STATUS', 2)
  page.goOnline()
  await askedFor(3)
  await heard('SSE_ERR_STATUS', 3)
  page.goOnline()
  await nextTurn()
  t.equal(connection.state, 'waiting')
  t.equal(asked.length, 3)
})

t.test('a page that wakes looks whether its connection has died', async t => {
  const page = pretend(t)
  const { url } = await serve(t, [text('data:a\n\n', { end: false }), status(204)])
  const { heard, connection } = watch(t, url, { heartbeatTimeout: 600_000 })
  await heard('message a #')
  await nextTurn()
  const later = Date.now() + 700_000
  t.intercept(Date, 'now', { value: () => later })
  page.show('visible')
  t.equal(await connection.closed, undefined)
  await heard('SSE_ERR_SILENT')
})

t.test('an event that is too large closes the connection, after those before it', async t => {
  const { url } = await serve(t, [text(`data:a\n\ndata:${'x'.repeat(101)}\n\n`)])
  const { connection, log } = watch(t, url, { maxEventLength: 100 })
  t.match(await connection.closed, { code: 'SSE_ERR_TOO_LARGE', message: /more than 100 characters/ })
  t.strictSame(log, ['is open', 'open 200', 'message a #', 'is closed', 'SSE_ERR_TOO_LARGE, for good'])
})

t.test('what a callback promises is waited for before anything else is told', async t => {
  const { url } = await serve(t, [text('data:a\n\nevent:sse-reset\ndata:{}\n\ndata:b\n\n'), status(204)])
  const done: string[] = []
  const slowly = (name: string) => async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) await nextTurn()
    done.push(`${name} done`)
  }
  const { connection } = watch(t, url, { onEvent: async ({ data }) => { done.push(data); await slowly(data)() }, onReset: slowly('reset') })
  await connection.closed
  t.strictSame(done, ['a', 'a done', 'reset done', 'b', 'b done'])
})

t.test('what a callback throws is nobody\'s to catch, and the connection goes on', async t => {
  const errors = uncaught(t)
  const { url } = await serve(t, [text('data:a\n\ndata:b\n\n'), status(204)])
  const { connection, log } = watch(t, url, {
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

t.test('nothing is called after it was closed, wherever that happens', async t => {
  const stream = text('data:a\n\ndata:b\n\n')
  const rows: Array<[where: string, answer: Answer, options: (close: () => void) => object]> = [
    ['onState: open', stream, close => ({ onState: (state: string) => { if (state === 'open') close() } })],
    ['onOpen', stream, close => ({ onOpen: close })],
    ['onEvent', stream, close => ({ onEvent: close })],
    ['the promise of onEvent', stream, close => ({ onEvent: async () => { await nextTurn(); close() } })],
    ['onState: waiting', status(503), close => ({ onState: (state: string) => { if (state === 'waiting') close() } })],
    ['onError', status(503), close => ({ onError: close, retry: { initial: 600_000 } })],
    ['headers', stream, close => ({ headers: async () => { close(); await nextTurn(); return {} } })]
  ]
  for (const [where, answer, options] of rows) {
    const { url, asked } = await serve(t, [answer])
    const { connection, log } = watch(t, url, { ...options(() => { connection.close() }) })
    t.equal(await connection.closed, undefined, where)
    for (let turn = 0; turn < 10; turn++) await nextTurn()
    t.equal(log.at(-1), 'is closed', `${where}: ${log.join()}`)
    t.equal(log.filter(line => line.startsWith('message')).length, where.includes('onEvent') ? 1 : 0, where)
    t.equal(asked.length, where === 'headers' ? 0 : 1)
    connection.close()
    t.equal(log.filter(line => line === 'is closed').length, 1)
  }
})

t.test('it can be closed while it is asking, and while it reads', async t => {
  for (const stage of ['asking', 'reading']) {
    const { app, url, askedFor } = await serve(t, [stage === 'asking' ? async () => await new Promise(() => {}) : quiet])
    const [[socket], { connection, heard, log }] = await Promise.all([once(app.server, 'connection'), watch(t, url)])
    await (stage === 'asking' ? askedFor(1) : heard('open 200'))
    connection.close()
    t.equal(await connection.closed, undefined)
    // The server is left.
    if (!socket.closed) await once(socket, 'close')
    t.equal(log.at(-1), 'is closed')
  }
})

t.test('an answer that has come when it is closed is not read', async t => {
  const { url } = await serve(t, [quiet])
  const { fetch } = globalThis
  t.intercept(globalThis, 'fetch', {
    value: async (...args: Parameters<typeof fetch>) => {
      const response = await fetch(...args)
      connection.close()
      return response
    }
  })
  const { connection, log } = watch(t, url)
  await connection.closed
  await nextTurn()
  t.strictSame(log, ['is closed'])
})

t.test('a signal closes it, and nothing is left on the signal', async t => {
  const { url, asked } = await serve(t, [quiet])
  const before = watch(t, url, { signal: AbortSignal.abort() })
  t.equal(await before.connection.closed, undefined)
  t.strictSame(before.log, ['is closed'])

  const controller = new AbortController()
  let listeners = 0
  const { addEventListener, removeEventListener } = controller.signal
  controller.signal.addEventListener = function (...args: Parameters<typeof addEventListener>) { listeners++; addEventListener.apply(this, args) }
  controller.signal.removeEventListener = function (...args: Parameters<typeof removeEventListener>) { listeners--; removeEventListener.apply(this, args) }
  const during = watch(t, url, { signal: controller.signal })
  await during.heard('open 200')
  controller.abort()
  t.equal(await during.connection.closed, undefined)
  t.equal(listeners, 0)
  t.equal(asked.length, 1)
})

t.test('no timer is left', async t => {
  const HEARTBEAT_TIMEOUT = 44_444
  const PAUSE = 55_555
  const timers = new Set<unknown>()
  const { setTimeout, clearTimeout } = globalThis
  t.intercept(globalThis, 'setTimeout', {
    value: (callback: () => void, ms: number) => {
      const timer = setTimeout(callback, ms)
      // Others are not ours.
      if (ms === HEARTBEAT_TIMEOUT || ms === PAUSE) timers.add(timer)
      return timer
    }
  })
  t.intercept(globalThis, 'clearTimeout', { value: (timer: NodeJS.Timeout) => { timers.delete(timer); clearTimeout(timer) } })
  for (const [answer, line] of [[quiet, 'open 200'], [status(503), 'SSE_ERR_STATUS']] as const) {
    const { url } = await serve(t, [answer])
    const { connection, heard } = watch(t, url, { heartbeatTimeout: HEARTBEAT_TIMEOUT, retry: { initial: PAUSE, max: PAUSE, jitter: 0 } })
    await heard(line)
    await nextTurn()
    t.equal(timers.size, 1)
    connection.close()
    await nextTurn()
    t.equal(timers.size, 0)
  }
})

t.test('events can be iterated over', async t => {
  t.test('each in its turn, beside what else is told', async t => {
    const { url, asked } = await serve(t, [text('data:a\n\nevent:sse-gap\ndata:{}\n\ndata:b\n\n'), text('event:tick\nid:1\ndata:c\n\n'), status(204)])
    const told: string[] = []
    for await (const { type, data, id } of connect(url, { retry: SOON, onGap: () => { told.push('gap') } })) {
      told.push(`${type} ${data} ${id}`)
      // What follows is not told before the loop asks for it.
      for (let turn = 0; turn < 5; turn++) await nextTurn()
    }
    t.strictSame(told, ['message a ', 'gap', 'message b ', 'tick c 1'])
    t.equal(asked.length, 3)
  })

  t.test('from wherever they began to wait', async t => {
    const { url } = await serve(t, [text('data:a\n\n'), status(204)])
    const opened = new Promise(resolve => { setImmediate(resolve) })
    const connection = connect(url, { retry: SOON })
    await opened
    const iterator = connection[Symbol.asyncIterator]()
    // More may be asked for than there is.
    const results = await Promise.all([iterator.next(), iterator.next(), iterator.next()])
    t.match(results, [{ value: { data: 'a' }, done: false }, { value: undefined, done: true }, { value: undefined, done: true }])
  })

  t.test('until the loop is left', async t => {
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

  t.test('until the connection is closed', async t => {
    const { url } = await serve(t, [text('data:a\n\ndata:b\n\n', { end: false })])
    const connection = connect(url)
    const seen: string[] = []
    for await (const { data } of connection) {
      seen.push(data)
      connection.close()
    }
    t.strictSame(seen, ['a'])
  })

  t.test('and an error that closes it is thrown', async t => {
    const { url } = await serve(t, [text('data:a\n\n')])
    const seen: string[] = []
    await t.rejects(async () => {
      for await (const { data } of connect(url, { method: 'POST' })) seen.push(data)
    }, { code: 'SSE_ERR_ENDED' })
    t.strictSame(seen, ['a'])
  })

  t.test('but only once, and not beside onEvent', async t => {
    const { url } = await serve(t, [quiet])
    const beside = watch(t, url)
    await t.rejects(async () => { for await (const message of beside.connection) t.fail(message.data) }, { code: 'SSE_ERR_TAKEN' })
    const connection = connect(url)
    t.teardown(() => { connection.close() })
    connection[Symbol.asyncIterator]().next()
    await t.rejects(connection[Symbol.asyncIterator]().next(), SseClientError)
  })

  t.test('no faster than the loop: the server finds that nobody reads', async t => {
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
    for await (const { id } of connect(await listen(), { retry: SOON, heartbeatTimeout: 0 })) {
      if (ids.push(Number(id)) === 1) t.equal(await emitters[0]!.closed, 'slow')
      if (ids.length === COUNT) break
    }
    t.strictSame(ids, Array.from({ length: COUNT }, (_, index) => index + 1))
  })
})
