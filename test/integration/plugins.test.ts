import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { runInThisContext } from 'node:vm'
import { constants, createBrotliDecompress, createGunzip, createGzip } from 'node:zlib'
import compress, { type FastifyCompressOptions } from '@fastify/compress'
import cookie from '@fastify/cookie'
import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import session from '@fastify/session'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { SseEmitter } from 'fastify-sse-emitter'
import { build, sleep, WARN } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'
import { until } from '../fixtures/until.ts'

declare module 'fastify' {
  interface Session {
    visits?: number
  }
}

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
/** The options of @fastify/compress that the README recommends. */
const COMPRESS: FastifyCompressOptions = runInThisContext(`constants => (${/app\.register\(compress, (\{[^]*?^\})/m.exec(README)![1]})`)(constants)

const CONTENT_TYPE = 'text/event-stream; charset=utf-8'

/** Adds a route that sends one event and stays open. @returns its emitters */
function addRoute (app: FastifyInstance, url = '/'): SseEmitter[] {
  const emitters: SseEmitter[] = []
  app.get(url, async (_request, reply) => {
    const emitter = reply.sse()
    emitters.push(emitter)
    await emitter.send('hello')
    return emitter
  })
  return emitters
}

t.test('@fastify/cookie sets its cookies', async t => {
  const { app, listen } = await build(t)
  await app.register(cookie)
  app.get('/', async (_request, reply) => {
    reply.setCookie('a', '1', { path: '/' }).setCookie('b', '2')
    const emitter = reply.sse()
    emitter.send('hello')
    emitter.complete()
    return emitter
  })
  const { headers, body } = await call(await listen()).readAll()
  t.equal(headers['content-type'], CONTENT_TYPE)
  t.strictSame(headers['set-cookie'], ['a=1; Path=/; SameSite=Lax', 'b=2; SameSite=Lax'])
  t.equal(body, 'data:hello\n\n')
})

t.test('@fastify/session saves the session and sets its cookie before the first event', async t => {
  const { app, logs, listen } = await build(t)
  await app.register(cookie)
  await app.register(session, { secret: 'a secret with at least thirty-two characters', cookie: { secure: false } })
  app.get('/', async (request, reply) => {
    request.session.visits = (request.session.visits ?? 0) + 1
    const emitter = reply.sse()
    await emitter.send({ visits: request.session.visits })
    emitter.complete()
    return emitter
  })
  const url = await listen()
  const first = await call(url).readAll()
  t.equal(first.headers['content-type'], CONTENT_TYPE)
  const [setCookie] = first.headers['set-cookie']!
  t.match(setCookie, /^sessionId=/)
  const second = await call(url, { headers: { cookie: setCookie!.split(';')[0] } }).readAll()
  t.strictSame([first, second].map(({ body }) => decode(body).events[0]?.data), ['{"visits":1}', '{"visits":2}'])
  t.strictSame(logs.filter(({ level }) => level >= WARN), [])
})

t.test('@fastify/helmet adds its headers', async t => {
  const { app, listen } = await build(t)
  await app.register(helmet)
  const [emitters, url] = [addRoute(app), await listen()]
  const { response, request } = call(url)
  const { headers } = await response
  t.equal(headers['content-type'], CONTENT_TYPE)
  t.equal(headers['x-content-type-options'], 'nosniff')
  t.match(headers['content-security-policy'], /default-src/)
  request.destroy()
  await emitters[0]!.closed
})

t.test('@fastify/cors allows pages of another origin to read', async t => {
  const { app, listen } = await build(t)
  await app.register(cors, { origin: ['http://page.example'], credentials: true })
  const [emitters, url] = [addRoute(app), await listen()]
  const { response, request } = call(url, { headers: { origin: 'http://page.example' } })
  const { headers } = await response
  t.equal(headers['access-control-allow-origin'], 'http://page.example')
  t.equal(headers['access-control-allow-credentials'], 'true')
  t.match(headers.vary, /Origin/i)
  request.destroy()
  await emitters[0]!.closed
})

t.test('@fastify/rate-limit counts and rejects streams, and adds its headers', async t => {
  const { app, listen } = await build(t)
  await app.register(rateLimit, { max: 1, timeWindow: 60_000 })
  const emitters = addRoute(app)
  const url = await listen()
  const { response, request } = call(url)
  const { headers, statusCode } = await response
  t.equal(statusCode, 200)
  t.equal(headers['x-ratelimit-limit'], '1')
  t.equal(headers['x-ratelimit-remaining'], '0')
  t.equal((await call(url).readAll()).status, 429)
  request.destroy()
  await emitters[0]!.closed
  t.equal(app.sse.size, 0)
})

t.test('@fastify/compress', async t => {
  t.test('does not compress event streams by default', async t => {
    const { app, listen } = await build(t)
    await app.register(compress)
    const [emitters, url] = [addRoute(app), await listen()]
    const { response, request } = call(url, { headers: { 'accept-encoding': 'gzip, br' } })
    const message = await response
    t.equal(message.headers['content-encoding'], undefined)
    const [chunk] = await new Promise<[string]>(resolve => message.setEncoding('utf8').once('data', chunk => { resolve([chunk]) }))
    t.equal(chunk, 'data:hello\n\n')
    request.destroy()
    await emitters[0]!.closed
  })

  // Browsers and curl send these, and the plugin prefers another than the first.
  for (const [accepted, encoding] of [['gzip', 'gzip'], ['br', 'br'], ['gzip, deflate, br, zstd', 'br'], ['deflate, gzip, zstd', 'gzip']] as const) {
    t.test(`as the README recommends, compresses for clients that accept ${accepted}, and events arrive at once`, async t => {
      const { app, logs, listen } = await build(t, { heartbeat: 0 }, { handlerTimeout: 150 })
      await app.register(compress, COMPRESS)
      const [emitters, url] = [addRoute(app), await listen()]
      const { response, request } = call(url, { headers: { 'accept-encoding': accepted } })
      const message = await response
      t.equal(message.headers['content-encoding'], encoding)
      t.equal(message.headers['content-type'], CONTENT_TYPE)
      let text = ''
      message.pipe(encoding === 'gzip' ? createGunzip() : createBrotliDecompress()).setEncoding('utf8').on('data', chunk => { text += chunk }).on('error', () => {})
      for (const [index, line] of ['hello', 'again', 'and again'].entries()) {
        if (index > 0) await emitters[0]!.send(line)
        await until(() => decode(text).events.at(-1)?.data === line, `“${line}” has arrived`)
      }
      await sleep(200)
      t.equal(emitters[0]!.state, 'open', 'Fastify\'s handlerTimeout does not end it')
      request.destroy()
      t.equal(await emitters[0]!.closed, 'client')
      t.strictSame(logs.filter(({ level }) => level >= WARN), [])
    })
  }

  t.test('a compressed stream ends completely', async t => {
    const { app, logs, listen } = await build(t)
    await app.register(compress, COMPRESS)
    const emitters = addRoute(app)
    const { response } = call(await listen(), { headers: { 'accept-encoding': 'gzip' } })
    const gunzip = (await response).pipe(createGunzip()).setEncoding('utf8')
    emitters[0]!.send('last')
    emitters[0]!.complete()
    let text = ''
    for await (const chunk of gunzip) text += chunk
    t.strictSame(decode(text).events.map(({ data }) => data), ['hello', 'last'])
    t.equal(await emitters[0]!.closed, 'complete')
    t.strictSame(logs.filter(({ level }) => level >= WARN), [])
  })

  t.test('a client of a compressed stream that does not read is dropped', async t => {
    const { app, listen } = await build(t, { maxBuffered: 65_536 })
    await app.register(compress, COMPRESS)
    const emitters = addRoute(app)
    const { response } = call(await listen(), { headers: { 'accept-encoding': 'gzip' } })
    ;(await response).pause().on('error', () => {})
    const random = (): string => Array.from({ length: 5_000 }, () => Math.random().toString(36)).join('')
    const deadline = Date.now() + 20_000
    while (emitters[0]!.state === 'open' && Date.now() < deadline) await Promise.race([emitters[0]!.send(random()).catch(() => {}), sleep(1)])
    t.equal(await emitters[0]!.closed, 'slow')
  })
})

t.test('a compressor that an onSend hook pipes the body to is flushed after each event', async t => {
  const { app, listen } = await build(t)
  app.addHook('onSend', async (_request, reply, payload) => {
    reply.header('content-encoding', 'gzip')
    return (payload as NodeJS.ReadableStream).pipe(createGzip())
  })
  const emitters = addRoute(app)
  const { response } = call(await listen())
  let text = ''
  const gunzip = (await response).pipe(createGunzip()).setEncoding('utf8').on('data', chunk => { text += chunk })
  await until(() => text === 'data:hello\n\n', 'the first event has arrived')
  emitters[0]!.complete()
  await once(gunzip, 'end')
  t.equal(await emitters[0]!.closed, 'complete')
})

t.test('a replaced response.write is used', async t => {
  const { app, listen } = await build(t)
  app.addHook('onRequest', async (_request, { raw }) => {
    const { write } = raw
    raw.write = function (this: typeof raw, chunk: Buffer) { return write.call(this, chunk.toString().toUpperCase(), 'utf8', () => {}) } as typeof write
  })
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    emitter.send('hello')
    emitter.complete()
    return emitter
  })
  t.equal((await call(await listen()).readAll()).body, 'DATA:HELLO\n\n')
})
