import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import fastify, { type FastifyReply } from 'fastify'
import t from 'tap'
import sse, { errors, event, memoryBroker, type SseBrokerListener, type SseEmitter, type SseEntry, type SseStreamOptions } from 'fastify-sse-emitter'
import { build, buildUnloaded, sleep, WARN } from './fixtures/app.ts'
import { call, decode } from './fixtures/client.ts'
import { detailed } from './fixtures/detailed.ts'
import { until } from './fixtures/until.ts'

t.test('a stream has the headers that it needs', async t => {
  const { app } = await build(t)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    emitter.send('hi')
    emitter.complete()
    return emitter
  })
  const response = await app.inject('/')
  t.equal(response.statusCode, 200)
  t.equal(response.headers['content-type'], 'text/event-stream; charset=utf-8')
  t.equal(response.headers['cache-control'], 'no-cache, no-transform')
  t.equal(response.headers['x-accel-buffering'], 'no')
  t.equal(response.body, 'data:hi\n\n')
})

t.test('headers set by hooks, the handler and the option are kept', async t => {
  const { app } = await build(t, { headers: { 'x-option': 'plugin', 'x-both': 'plugin' } })
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('x-hook', 'hook').header('cache-control', 'no-store').header('content-length', '5')
  })
  app.addHook('onSend', async (_request, reply) => { reply.header('x-accel-buffering', 'yes') })
  app.get('/', async (_request, reply) => {
    reply.code(202).header('x-reply', 'reply')
    reply.raw.setHeader('x-raw', 'raw')
    const emitter = reply.sse({ headers: { 'X-Both': 'stream', 'set-cookie': ['a=1', 'b=2'] } })
    emitter.complete()
    return emitter
  })
  const { statusCode, headers } = await app.inject('/')
  t.equal(statusCode, 202)
  t.match(headers, {
    'x-hook': 'hook',
    'x-reply': 'reply',
    'x-raw': 'raw',
    'x-both': 'stream',
    'x-option': undefined,
    'cache-control': 'no-store',
    'x-accel-buffering': 'yes',
    'set-cookie': ['a=1', 'b=2'],
    'content-length': undefined
  })
})

t.test('only the option changes the content type', async t => {
  const { app } = await build(t)
  app.addHook('onRequest', async (_request, reply) => { reply.type('application/json') })
  app.addHook('onSend', async (_request, reply) => { reply.type('text/plain') })
  app.get('/accident', async (_request, reply) => { reply.sse().complete() })
  app.get('/purpose', async (_request, reply) => { reply.sse({ headers: { 'Content-Type': 'text/event-stream' } }).complete() })
  t.equal((await app.inject('/accident')).headers['content-type'], 'text/event-stream; charset=utf-8')
  t.equal((await app.inject('/purpose')).headers['content-type'], 'text/event-stream')
})

t.test('an invalid header is an error response', async t => {
  const { app, logs } = await build(t)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse({ headers: { 'x-bad': 'a\nb' } })
    await emitter.send('x').catch(() => {})
    return emitter
  })
  const response = await app.inject('/')
  t.equal(response.statusCode, 500)
  t.equal(app.sse.size, 0)
  t.notOk(logs.some(({ msg }) => msg.includes('already sent')))
})

t.test('a client that does not accept event streams gets 406', async t => {
  const { app } = await build(t)
  app.get('/', async (_request, reply) => { reply.sse().complete() })
  app.get('/any', async (_request, reply) => { reply.sse({ accept: false }).complete() })
  const status = async (accept: string | undefined, url = '/'): Promise<number> =>
    (await app.inject({ url, headers: accept === undefined ? {} : { accept } })).statusCode
  t.equal(await status('application/json'), 406)
  t.equal(await status('text/event-stream;q=0, */*'), 406)
  t.equal(await status('application/json', '/any'), 200)
  for (const accept of [undefined, '*/*', '*/*;q=0.1', 'text/*', 'text/event-stream']) t.equal(await status(accept), 200, String(accept))
  t.match((await app.inject({ url: '/', headers: { accept: 'application/json' } })).json(), { statusCode: 406, code: 'SSE_ERR_NOT_ACCEPTABLE' })
})

t.test('a HEAD request is answered with the headers', async t => {
  const { app } = await build(t)
  app.get('/', async (_request, reply) => reply.sse())
  app.head('/own', async (_request, reply) => reply.sse())
  for (const url of ['/', '/own']) {
    const response = await app.inject({ method: 'HEAD', url })
    t.equal(response.statusCode, 200)
    t.equal(response.headers['content-type'], 'text/event-stream; charset=utf-8')
    t.equal(response.body, '')
  }
  t.equal(app.sse.size, 0)
})

t.test('a HEAD request does not start a source', async t => {
  const { app, logs } = await build(t)
  const calls: string[] = []
  let ended = false
  const source = new Readable({ read () {}, destroy (_error, done) { ended = true; done(null) } })
  app.get('/function', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.sendAll(() => {
      calls.push('function')
      return ['x']
    })
    emitter.complete()
  })
  app.get('/stream', async (_request, reply) => {
    const emitter = reply.sse()
    emitter.sendAll(source).then(() => emitter.complete(), error => emitter.completeWithError(error))
    return reply
  })
  for (const url of ['/function', '/stream']) {
    const { statusCode, headers, body } = await app.inject({ method: 'HEAD', url })
    t.match({ statusCode, headers, body }, { statusCode: 200, headers: { 'content-type': 'text/event-stream; charset=utf-8' }, body: '' }, url)
  }
  t.strictSame(calls, [])
  t.ok(ended)
  t.equal((await app.inject('/function')).body, 'data:x\n\n')
  t.strictSame(calls, ['function'])
  t.strictSame(logs.filter(({ level }) => level >= WARN), [])
  t.equal(app.sse.size, 0)
})

t.test('a status without a body ends the response without a stream', async t => {
  const { app } = await build(t)
  app.get('/:code', async (request, reply) => {
    const { code } = request.params as { code: string }
    const emitter = reply.code(Number(code)).sse()
    emitter.send('x').catch(() => {})
    return emitter
  })
  for (const code of [204, 304]) {
    const response = await app.inject(`/${code}`)
    t.equal(response.statusCode, code)
    t.equal(response.body, '')
  }
  t.equal(app.sse.size, 0)
})

t.test('lastEventId is what the client sent', async t => {
  const { app } = await build(t)
  const ids: unknown[] = []
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    ids.push(emitter.lastEventId)
    emitter.complete()
  })
  const utf8 = Buffer.from('größe-😀').toString('latin1')
  await app.inject('/')
  await app.inject({ url: '/', headers: { 'last-event-id': '' } })
  await app.inject({ url: '/', headers: { 'last-event-id': '7' } })
  await app.inject({ url: '/', headers: { 'last-event-id': utf8 } })
  t.strictSame(ids, [undefined, undefined, '7', 'größe-😀'])
})

t.test('reply.sse() throws', async t => {
  t.test('at the second call', async t => {
    const { app } = await build(t)
    app.get('/', async (_request, reply) => {
      const emitter = reply.sse()
      t.throws(() => reply.sse(), { code: 'SSE_ERR_DUPLICATE' })
      emitter.complete()
    })
    t.equal((await app.inject('/')).statusCode, 200)
  })

  t.test('if the reply was sent or hijacked', async t => {
    const { app } = await build(t)
    app.get('/sent', async (_request, reply) => {
      reply.send('sent')
      t.throws(() => reply.sse(), { code: 'SSE_ERR_REPLY_SENT' })
      return reply
    })
    app.get('/hijacked', async (_request, reply) => {
      reply.hijack()
      t.throws(() => reply.sse(), { code: 'SSE_ERR_REPLY_SENT' })
      reply.raw.end('hijacked')
    })
    t.equal((await app.inject('/sent')).body, 'sent')
    t.equal((await app.inject('/hijacked')).body, 'hijacked')
  })

  t.test('in a hook', async t => {
    const { app } = await build(t)
    app.get('/', { preHandler: async (_request, reply) => { reply.sse() } }, async () => 'never')
    t.match((await app.inject('/')).json(), { code: 'SSE_ERR_NOT_READY', message: 'reply.sse() must be called in a route handler, not in a hook' })
  })

  t.test('for an invalid option', async t => {
    const { app } = await build(t)
    app.get('/', async (_request, reply) => reply.sse({ timeout: -1 }))
    t.match((await app.inject('/')).json(), { statusCode: 500, code: 'SSE_ERR_OPTION' })
    t.equal(app.sse.size, 0)
  })
})

t.test('registration fails with an invalid option', async t => {
  const app = fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => await app.register(sse, { heartbeat: -1 }), {
    code: 'SSE_ERR_OPTION',
    ...detailed('Option `heartbeat` must be a non-negative integer of milliseconds (0 disables it); received -1')
  })
})

t.test('a reply that is answered in another way ends its emitter', async t => {
  const { app, logs } = await build(t)
  const reasons: string[] = []
  app.get('/', (_request, reply) => {
    const emitter = reply.sse()
    emitter.onCompletion(reason => { reasons.push(reason) })
    reply.send({ by: 'hand' })
    emitter.send('late').catch(error => { reasons.push(error.code) })
  })
  t.strictSame((await app.inject('/')).json(), { by: 'hand' })
  await new Promise(resolve => { setImmediate(resolve) })
  t.strictSame(reasons, ['complete', 'SSE_ERR_CLOSED'])
  t.strictSame(logs.filter(({ level }) => level >= WARN), [])
})

t.test('another value returned after opening is ignored with a warning', async t => {
  const { app, logs } = await build(t)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    emitter.send('x')
    setTimeout(() => emitter.complete(), 10)
    return { lost: true }
  })
  t.equal((await app.inject('/')).body, 'data:x\n\n')
  t.match(logs.filter(({ level }) => level >= WARN), [{ msg: /returned another value, which is ignored/ }])
})

t.test('a handler that fails after its stream has ended is logged', async t => {
  const { app, logs } = await build(t)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    emitter.complete()
    await emitter.closed
    throw new Error('after the end')
  })
  t.equal((await app.inject('/')).statusCode, 200)
  await until(() => logs.some(({ level }) => level >= WARN), 'the failure is logged')
  t.match(logs.filter(({ level }) => level >= WARN), [{ msg: 'handler failed after its event stream had ended', err: { message: 'after the end' } }])
})

t.test('a thrown value that is not an Error is an error response', async t => {
  const { app } = await build(t)
  app.get('/completed', async (_request, reply) => { reply.sse().completeWithError('a string') })
  // eslint-disable-next-line no-throw-literal -- that is what it is about
  app.get('/thrown', async (_request, reply) => { reply.sse(); throw 'a string' })
  // eslint-disable-next-line no-throw-literal -- that is what it is about
  app.get('/undefined', async (_request, reply) => { reply.sse(); throw undefined })
  for (const url of ['/completed', '/thrown', '/undefined']) {
    const response = await app.inject(url)
    t.equal(response.statusCode, 500, url)
    t.strictSame(response.json(), { ...FAILED, code: 'INTERNAL_ERROR' })
  }
})

const FAILED = { statusCode: 500, error: 'Internal Server Error', message: 'An internal error occurred' }

t.test('an error response contains no values of the application, which are in the log once', async t => {
  const { app, logs } = await build(t)
  const secret = { password: 'secret' }
  const rows: Record<string, [code: string, fail: (reply: FastifyReply, emitter: SseEmitter) => unknown]> = {
    '/error': ['INTERNAL_ERROR', () => { throw Object.assign(new Error('secret'), { code: 'ER_DUP_ENTRY', password: 'secret' }) }],
    '/frozen': ['INTERNAL_ERROR', () => { throw Object.freeze(new Error('secret')) }],
    '/object': ['INTERNAL_ERROR', (_reply, emitter) => { emitter.completeWithError(secret) }],
    '/file': ['INTERNAL_ERROR', (_reply, emitter) => emitter.sendAll(createReadStream('/secret'))],
    '/awaited': ['INTERNAL_ERROR', (_reply, emitter) => emitter.sendAll(createReadStream('/secret')).then(() => emitter.complete(), error => emitter.completeWithError(error))],
    '/event': ['SSE_ERR_EVENT', (_reply, emitter) => emitter.send('x', { event: 'a\nsecret' })],
    '/data': ['SSE_ERR_SERIALIZE', (_reply, emitter) => emitter.send({ toJSON () { throw new Error('secret') } })],
    '/source': ['SSE_ERR_SOURCE', (_reply, emitter) => emitter.sendAll('secret' as unknown as string[])],
    '/channel': ['SSE_ERR_CHANNEL', (_reply, emitter) => emitter.subscribe({ name: '\nsecret' })]
  }
  for (const [url, [, fail]] of Object.entries(rows)) app.get(url, async (_request, reply) => { await fail(reply, reply.sse()) })
  for (const [url, [code]] of Object.entries(rows)) {
    logs.length = 0
    const response = await app.inject(url)
    t.equal(response.statusCode, 500, url)
    t.strictSame(response.json(), { ...FAILED, code }, url)
    await sleep(0)
    const lines = logs.filter(({ level }) => level >= WARN)
    t.equal(lines.length, url === '/frozen' ? lines.length : 1, `${url} is logged once`)
    if (url !== '/frozen') t.match(JSON.stringify(lines[0]!.err), 'secret', url)
  }
  t.equal(app.sse.size, 0)
})

t.test('an error of the package in a route without a stream contains no values either', async t => {
  const { app, logs } = await build(t, { broker: memoryBroker({ maxChannels: 1 }) })
  await app.sse.channel('a').publish('x')
  app.get('/options', async (_request, reply) => reply.sse({ heartbeat: 'secret' } as unknown as SseStreamOptions))
  app.get('/publish', (_request, reply) => { app.sse.channel('a').publish('x', { event: 'a\nsecret' }).catch(error => reply.send(error)) })
  app.get('/event', async () => await app.sse.channel('a').publish('x', { event: 'a\nsecret' }))
  app.get('/full', async () => await app.sse.channel('secret').publish('x'))
  app.get('/refused', async () => { throw new errors.SSE_ERR_FULL() })
  t.strictSame((await app.inject('/options')).json(), { ...FAILED, code: 'SSE_ERR_OPTION' })
  t.match(logs.filter(({ level }) => level >= WARN), [{ err: { message: /^Option `heartbeat` must be /, detail: 'received "secret"' } }])
  t.strictSame((await app.inject('/event')).json(), { ...FAILED, code: 'SSE_ERR_EVENT' })
  t.match((await app.inject('/full')).json(), { statusCode: 503, code: 'SSE_ERR_BROKER_FULL', message: 'The service is temporarily unavailable; try again later' })
  t.match((await app.inject('/refused')).json(), { statusCode: 503, code: 'SSE_ERR_FULL', message: 'Too many event streams are open; try again later' })
  t.match((await app.inject('/publish')).json(), { code: 'SSE_ERR_EVENT', message: 'Event field `event` must be a single line without NUL' }, 'sent by the application itself')
})

t.test('an error of the package outside of wrapped handlers contains no values, and the log has them', async t => {
  const { app, logs } = buildUnloaded(t)
  app.get('/before', async (_request, reply) => reply.sse({ heartbeat: 'secret' } as unknown as SseStreamOptions))
  app.get('/hook', { preHandler: async () => { app.sse.channel('secret\n') } }, async () => {})
  app.get('/event', { onRequest: async () => { await app.sse.channel('a').publish({ toJSON () { throw new Error('secret') } }) } }, async () => {})
  app.get('/callback', { preValidation: async () => { app.sse.close('secret' as unknown as () => boolean) } }, async () => {})
  for (const url of ['/before', '/hook', '/event', '/callback']) {
    logs.length = 0
    const response = await app.inject(url)
    t.match(response.json(), { statusCode: 500, code: /^SSE_ERR_(?:OPTION|CHANNEL|SERIALIZE)$/ }, url)
    t.notMatch(response.body, 'secret', url)
    t.match(logs.filter(({ level }) => level >= WARN), [{ err: { detail: /secret/ } }], `${url} is logged once`)
  }
})

t.test('an error handler receives the error itself, and what it passes on is shown without values', async t => {
  const { app } = await build(t)
  const received: unknown[] = []
  app.setErrorHandler((error, _request, reply) => {
    received.push(error)
    reply.send(error)
  })
  const error = Object.assign(new Error('secret'), { code: 'ENOENT' })
  const known = Object.assign(new Error('Try another name'), { statusCode: 409 })
  app.get('/', async (_request, reply) => { reply.sse(); throw error })
  app.get('/known', async (_request, reply) => { reply.sse(); throw known })
  t.strictSame((await app.inject('/')).json(), { ...FAILED, code: 'INTERNAL_ERROR' })
  t.match((await app.inject('/known')).json(), { statusCode: 409, message: 'Try another name' })
  t.equal(received[0], error)
  t.equal(received[1], known)
})

t.test('an error handler answers for a stream that has not opened', async t => {
  const { app } = await build(t)
  app.setErrorHandler(async (error: Error, _request, reply) => await reply.code(418).send({ handled: error.message }))
  app.get('/thrown', async (_request, reply) => { reply.sse(); throw new Error('boom') })
  app.get('/completed', async (_request, reply) => { reply.sse().completeWithError(new Error('boom')) })
  for (const url of ['/thrown', '/completed']) {
    const response = await app.inject(url)
    t.equal(response.statusCode, 418)
    t.strictSame(response.json(), { handled: 'boom' })
  }
  t.equal(app.sse.size, 0)
})

t.test('an error handler that fails still answers', async t => {
  const { app } = await build(t)
  app.addHook('onError', async (_request, reply) => { reply.header('x-bad', 'a\nb') })
  app.setErrorHandler((error: Error, _request, reply) => { reply.header('x-bad', 'a\nb').send(error.message) })
  app.get('/', async (_request, reply) => { reply.sse().completeWithError(new Error('boom')) })
  await app.inject('/').then(({ statusCode }) => t.equal(statusCode, 500), () => t.pass('cut off'))
  t.equal(app.sse.size, 0)
})

t.test('an error while another one is being answered is logged', async t => {
  const { app, logs } = await build(t)
  app.addHook('onError', async () => { await sleep(20) })
  app.get('/', (_request, reply) => {
    const emitter = reply.sse()
    reply.send(new Error('first'))
    emitter.completeWithError(new Error('second'))
  })
  t.match((await app.inject('/')).json(), { statusCode: 500, code: 'INTERNAL_ERROR' })
  t.match(logs.filter(({ level, err }) => level >= WARN && err?.message === 'second'), [{ msg: 'event stream failed, and the error response could not be sent' }])
})

t.test('the plugin applies to routes of its scope and of nested ones', async t => {
  const app = fastify()
  t.teardown(() => app.close())
  app.register(async inside => {
    await inside.register(sse)
    inside.get('/inside', async (_request, reply) => { reply.sse().complete() })
    inside.register(async deeper => {
      deeper.get('/deeper', async (_request, reply) => { reply.sse().complete() })
    })
  })
  app.get('/outside', async (_request, reply) => ({ sse: typeof reply.sse }))
  t.equal((await app.inject('/inside')).statusCode, 200)
  t.equal((await app.inject('/deeper')).statusCode, 200)
  t.strictSame((await app.inject('/outside')).json(), { sse: 'undefined' })
})

t.test('sibling scopes have an app.sse each', async t => {
  const app = fastify()
  t.teardown(() => app.close())
  for (const name of ['a', 'b']) {
    app.register(async inside => {
      await inside.register(sse, { headers: { 'x-name': name } })
      inside.get(`/${name}`, async (_request, reply) => { reply.sse().complete() })
    })
  }
  t.equal((await app.inject('/a')).headers['x-name'], 'a')
  t.equal((await app.inject('/b')).headers['x-name'], 'b')
})

t.test('routes without a stream answer as before', async t => {
  const { app } = await build(t)
  app.get('/sync', () => ({ a: 1 }))
  app.get('/async', async () => ({ a: 1 }))
  app.get('/send', (_request, reply) => { reply.send({ a: 1 }) })
  app.get('/this', function () { return { a: this === app ? 1 : 0 } })
  app.get('/reply', async (_request, reply) => {
    reply.send({ a: 1 })
    return reply
  })
  app.get('/throws', () => { throw new Error('sync') })
  app.get('/rejects', async () => { throw new Error('async') })
  for (const url of ['/sync', '/async', '/send', '/this', '/reply']) t.strictSame((await app.inject(url)).json(), { a: 1 }, url)
  t.match((await app.inject('/throws')).json(), { message: 'sync' })
  t.match((await app.inject('/rejects')).json(), { message: 'async' })
})

t.test('the package exports event and errors', async t => {
  t.equal(event('x', { id: '1' }).data, 'x')
  t.ok(new errors.SSE_ERR_CLOSED('client') instanceof Error)
  t.equal(new errors.SSE_ERR_CLOSED('client').reason, 'client')
})

t.test('one log line sums up a stream', async t => {
  const { app, logs } = await build(t)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    emitter.send('é')
    emitter.comment('c')
    emitter.complete()
  })
  const { body } = await app.inject('/')
  t.equal(decode(body).events.length, 1)
  const lines = logs.filter(({ sse }) => sse !== undefined)
  t.match(lines, [{ level: 30, msg: 'event stream closed', sse: { reason: 'complete', events: 1, bytes: 13, duration: Number } }])
  t.equal(lines.length, 1)
})

t.test('an event of a broker that cannot be sent is logged and left out', async t => {
  const memory = memoryBroker()
  const listeners: SseBrokerListener[] = []
  const { subscribe } = memory
  memory.subscribe = async (channel, listener) => {
    listeners.push(listener)
    return await subscribe.call(memory, channel, listener)
  }
  const { app, logs, listen } = await build(t, { broker: memory })
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.subscribe(app.sse.channel('news'), { until: () => true })
    return emitter
  })
  const { response, readAll } = call(await listen())
  await response
  listeners[0]!.onEntry({ id: 'not an entry' } as SseEntry)
  await app.sse.channel('news').publish('sent')
  t.strictSame(decode((await readAll()).body).events.map(({ data }) => data).at(-1), 'sent')
  t.match(logs.filter(({ level }) => level >= WARN), [{ channel: 'news', msg: 'the broker delivered an event that cannot be sent, which is left out' }])
})
