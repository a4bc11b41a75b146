import assert from 'node:assert/strict'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import { injectSse } from 'fastify-sse-emitter/testing'
import { buildApp } from '../../server/app.ts'
import { readConfig } from '../../server/config.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { eventually } from '../fixtures/eventually.ts'
import { rawRequest } from '../fixtures/raw-request.ts'
import { RedisServer } from '../fixtures/redis-server.ts'

async function demo (t: Test, env: NodeJS.ProcessEnv = {}, options: FastifyServerOptions = {}): Promise<FastifyInstance> {
  const app = await buildApp(readConfig({ CHAT_INTERVAL_MS: '0', ...env }), options)
  t.teardown(() => app.close())
  return app
}

t.test('pages are served with a strict content security policy', async t => {
  const app = await demo(t)
  const { statusCode, headers, body } = await app.inject('/')
  t.equal(statusCode, 200)
  t.match(body, /<!doctype html>/)
  const policy = String(headers['content-security-policy']).split(';')
  t.ok(policy.includes("default-src 'none'"))
  t.ok(policy.includes("script-src 'self'"))
  t.notMatch(String(policy), /unsafe| \*/)
  t.equal(headers['x-content-type-options'], 'nosniff')
  for (const file of ['/chat.html', '/chat.js', '/panel.js', '/event-stream-parser.js', '/conversation.html', '/market.html', '/polling.html', '/inspector.html', '/style.css', '/icon.svg']) t.equal((await app.inject(file)).statusCode, 200, file)
  t.equal((await app.inject('/../package.json')).statusCode, 404)
})

t.test('/healthz and /readyz answer 200, and every response identifies the node without its process id', async t => {
  const app = await demo(t)
  const nodes = new Set<unknown>()
  for (const [url, status] of [['/healthz', 'ok'], ['/readyz', 'ready']] as const) {
    const { statusCode, headers, body } = await app.inject(url)
    t.equal(statusCode, 200)
    t.strictSame(JSON.parse(body), { status })
    t.match(headers['x-node'], /^[0-9a-f]{8}$/)
    nodes.add(headers['x-node'])
  }
  t.equal(nodes.size, 1)
  t.not((await (await demo(t)).inject('/healthz')).headers['x-node'], [...nodes][0])
})

t.test('pages of any origin may use /learn', async t => {
  const app = await demo(t)
  for (const origin of ['http://evil.example', 'null']) {
    const { statusCode, headers } = await app.inject({ url: '/learn/sseChat?name=x', headers: { origin } })
    t.equal(statusCode, 200)
    t.equal(headers['access-control-allow-origin'], '*')
  }
})

t.test('pages of other origins may not use other routes', async t => {
  const app = await demo(t)
  for (const origin of ['http://evil.example', 'null', 'https://localhost:80']) {
    const { statusCode, headers, body } = await app.inject({ url: '/healthz', headers: { origin } })
    t.equal(statusCode, 403, origin)
    t.match(JSON.parse(body), { code: 'FOREIGN_ORIGIN' })
    t.equal(headers['access-control-allow-origin'], undefined)
  }
  t.equal((await app.inject({ method: 'OPTIONS', url: '/healthz', headers: { origin: 'http://evil.example', 'access-control-request-method': 'GET' } })).statusCode, 403)
  t.equal((await app.inject({ url: '/healthz', headers: { origin: 'http://localhost:80' } })).statusCode, 200, 'its own origin is allowed')
})

t.test('origins in CORS_ORIGIN may use all routes', async t => {
  const app = await demo(t, { CORS_ORIGIN: 'https://a.example,https://b.example' })
  for (const origin of ['https://a.example', 'https://b.example']) {
    const { statusCode, headers } = await app.inject({ url: '/healthz', headers: { origin } })
    t.equal(statusCode, 200)
    t.equal(headers['access-control-allow-origin'], origin)
  }
  t.equal((await app.inject({ url: '/healthz', headers: { origin: 'https://c.example' } })).statusCode, 403)
})

t.test('requests for a foreign host name are refused, so that no name can be rebound to this server', async t => {
  const app = await demo(t, { ALLOWED_HOSTS: 'demo.example.com' })
  for (const url of ['/', '/learn/sseChat?name=x', '/healthz']) {
    const { statusCode, body } = await app.inject({ url, headers: { host: 'evil.example:3000', origin: 'http://evil.example:3000' } })
    t.equal(statusCode, 403, url)
    t.match(JSON.parse(body), { code: 'FOREIGN_HOST' })
  }
  for (const host of ['localhost:3000', '127.0.0.1', 'demo.example.com:8080']) t.equal((await app.inject({ url: '/', headers: { host } })).statusCode, 200, host)
})

t.test('behind a trusted proxy, a page has the origin and the address that the proxy forwards', async t => {
  const headers = { host: 'demo.example.com', origin: 'https://demo.example.com', 'x-forwarded-proto': 'https', 'x-forwarded-for': '10.0.0.1' }
  const behind = await demo(t, { ALLOWED_HOSTS: 'demo.example.com', TRUST_PROXY: '127.0.0.1,192.168.0.0/16' })
  for (const remoteAddress of ['127.0.0.1', '192.168.1.2']) t.equal((await behind.inject({ url: '/', headers, remoteAddress })).statusCode, 200)
  t.match((await behind.inject({ url: '/', headers, remoteAddress: '172.16.0.1' })).json(), { code: 'FOREIGN_ORIGIN' }, 'any other address may forge headers')
  t.match((await behind.inject({ url: '/', headers: { ...headers, host: 'evil.example', 'x-forwarded-host': 'demo.example.com' } })).json(), { code: 'FOREIGN_HOST' }, 'a page can set x-forwarded-host')
  const apart = await demo(t, { ALLOWED_HOSTS: 'demo.example.com' })
  t.match((await apart.inject({ url: '/', headers })).json(), { code: 'FOREIGN_ORIGIN' })
})

t.test('a request whose body never ends is refused with 408', async t => {
  const defaults = await demo(t)
  t.equal(defaults.server.requestTimeout, 30_000)
  t.equal(defaults.server.headersTimeout, 15_000)
  const app = await demo(t, {}, { requestTimeout: 100, http: { headersTimeout: 50, connectionsCheckingInterval: 20 } } as FastifyServerOptions)
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  const answer = await rawRequest(Number(port), 'POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{')
  t.match(answer, /^HTTP\/1\.1 408 /)
})

t.test('one client cannot take what is kept for all', async t => {
  const app = await demo(t, { LLM_PACE_MS: '0' })
  const post = async (url: string, payload: object, remoteAddress: string) => await app.inject({ method: 'POST', url, payload, remoteAddress })
  const ask = async (remoteAddress: string) => await post('/chat', { messages: [{ role: 'user', content: 'hello' }] }, remoteAddress)
  const chat = async (remoteAddress: string) => await post('/api/chat', { id: 'x' }, remoteAddress)
  const publish = async (name: string, remoteAddress: string) => await post(`/channels/${name}`, { data: 'x' }, remoteAddress)

  for (let count = 0; count < 100; count++) {
    t.equal((await ask('10.0.0.1')).statusCode, 201)
    t.equal((await chat('10.0.0.1')).statusCode, 400, 'an invalid question counts, too')
  }
  const learn = async (remoteAddress: string) => await app.inject({ url: '/learn/llmChat', remoteAddress })
  for (let count = 0; count < 100; count++) t.equal((await learn('10.0.0.1')).statusCode, 400)
  for (const response of [await ask('10.0.0.1'), await chat('10.0.0.1'), await learn('10.0.0.1')]) {
    t.equal(response.statusCode, 429)
    t.match(response.json(), { code: 'TOO_MANY_ANSWERS', message: 'You have asked too many questions; try again in 10 minutes' })
    t.ok(Number(response.headers['retry-after']) > 0)
  }
  t.equal((await ask('10.0.0.2')).statusCode, 201)

  const complete = async (remoteAddress: string) => await post('/v1/chat/completions', {}, remoteAddress)
  for (let count = 0; count < 100; count++) t.equal((await complete('10.0.0.1')).statusCode, 400)
  t.match((await complete('10.0.0.1')).json(), { error: { type: 'rate_limit_error', code: 'too_many_answers' } })
  t.equal((await complete('10.0.0.2')).statusCode, 400)

  for (let count = 0; count < 100; count++) t.equal((await publish(`a${count}`, '10.0.0.1')).statusCode, 201)
  const refused = await publish('b', '10.0.0.1')
  t.equal(refused.statusCode, 429)
  t.match(refused.json(), { code: 'TOO_MANY_CHANNELS_PER_CLIENT' })
  t.equal((await publish('a1', '10.0.0.1')).statusCode, 201, 'a name in use')
  t.equal((await publish('b', '10.0.0.2')).statusCode, 201)
})

t.test('the server itself may use its model without a limit', async t => {
  const app = await demo(t)
  const url = `${await app.listen({ port: 0, host: '127.0.0.1' })}/v1/chat/completions`
  for (let count = 0; count < 101; count++) {
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })
    if (response.status !== 400) t.fail(`${response.status}`)
    await response.body!.cancel()
  }
})

t.test('an idempotency key belongs to the session of its client', async t => {
  const app = await demo(t)
  const cookieOf = async (headers: Record<string, string> = {}): Promise<string | undefined> => {
    const cookie = (await app.inject({ url: '/', headers: { accept: 'text/html,*/*', ...headers } })).headers['set-cookie']
    return cookie === undefined ? undefined : String(cookie).split(';')[0]
  }
  const [anna, ben] = [await cookieOf(), await cookieOf()] as [string, string]
  t.equal(await cookieOf({ cookie: `other=1; ${anna}` }), undefined, 'a session is kept')
  t.equal((await app.inject('/healthz')).headers['set-cookie'], undefined, 'only a page starts one')

  const ask = async (headers: Record<string, string>, remoteAddress = '10.0.0.1') => (await app.inject({
    method: 'POST', url: '/chat', payload: { messages: [{ role: 'user', content: 'hello' }] }, headers: { 'idempotency-key': '1', ...headers }, remoteAddress
  })).json().id as string
  const publish = async (headers: Record<string, string>, remoteAddress = '10.0.0.1') => (await app.inject({
    method: 'POST', url: '/channels/news', payload: { data: 'x' }, headers: { 'idempotency-key': '1', ...headers }, remoteAddress
  })).json().id as string
  for (const send of [ask, publish]) {
    const ids = [await send({ cookie: anna }), await send({ cookie: ben }), await send({}), await send({}, '10.0.0.2')]
    t.equal(new Set(ids).size, 4)
    t.strictSame([await send({ cookie: anna }, '10.0.0.3'), await send({ cookie: `a=b; ${ben}` }), await send({}), await send({}, '10.0.0.2')], ids)
  }
})

suiteWith(t, 'redis-server', 'on Redis', async (t, program) => {
  const publish = async (app: FastifyInstance, data: string): Promise<number> => (await app.inject({ method: 'POST', url: '/channels/news', payload: { data } })).statusCode

  t.test('servers share channels', async t => {
    const { url } = await RedisServer.start(t, program)
    const [one, other] = [await demo(t, { REDIS_URL: url }), await demo(t, { REDIS_URL: url })]
    t.equal(await publish(one, 'hello'), 201)
    const stream = await injectSse(other, { url: '/channels/news?from=start' })
    await stream.until(({ data }) => data === 'hello')
    await stream.leave()
  })

  t.test('while Redis is down, the server is alive but not ready', async t => {
    const lines: string[] = []
    const redis = await RedisServer.start(t, program, '--user', 'somebody', 'on', '>secret', '~*', '&*', '+@all')
    const REDIS_URL = redis.url.replace('//', '//somebody:secret@')
    const app = await demo(t, { REDIS_URL }, { logger: { stream: { write: line => { lines.push(line) } } } })
    const untilReadyz = async (status: number): Promise<void> => await eventually(async () => { assert.equal((await app.inject('/readyz')).statusCode, status) })
    await untilReadyz(200)
    await redis.kill()
    await untilReadyz(503)
    t.equal(await publish(app, 'x'), 503)
    t.equal((await app.inject('/healthz')).statusCode, 200)
    const startedWithoutRedis = await demo(t, { REDIS_URL })
    t.equal((await startedWithoutRedis.inject('/readyz')).statusCode, 503)
    await redis.start()
    await untilReadyz(200)
    t.equal(await publish(app, 'x'), 201)
    const logged = lines.map(line => JSON.parse(line))
    const lost = logged.filter(({ msg }) => msg === 'lost a connection to Redis; reconnecting').map(({ err }) => err.message)
    t.ok(lost.length > 0)
    t.strictSame(lost, lost.filter((message, index) => message !== lost[index - 1]), 'an attempt that fails like the one before has no line')
    t.strictSame(logged.map(({ msg }) => msg).filter(msg => /ready/.test(msg)).slice(-2), ['not ready: This server is not connected to Redis', 'ready again'])
    t.strictSame(logged.filter(({ level, msg }) => level >= 50 && msg === 'This server is not connected to Redis'), [])
    t.notOk(lines.some(line => line.includes('secret')))
  })
})
