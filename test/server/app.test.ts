import assert from 'node:assert/strict'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import { buildApp } from '../../server/app.ts'
import { readConfig } from '../../server/config.ts'
import { decode } from '../fixtures/client.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { eventually } from '../fixtures/eventually.ts'
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

t.test('/healthz and /readyz answer 200, and every response names the process', async t => {
  const app = await demo(t)
  for (const [url, status] of [['/healthz', 'ok'], ['/readyz', 'ready']] as const) {
    const { statusCode, headers, body } = await app.inject(url)
    t.equal(statusCode, 200)
    t.strictSame(JSON.parse(body), { status })
    t.equal(headers['x-node'], String(process.pid))
  }
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

suiteWith(t, 'redis-server', 'on Redis', async (t, program) => {
  const publish = async (app: FastifyInstance, data: string): Promise<number> => (await app.inject({ method: 'POST', url: '/channels/news', payload: { data } })).statusCode

  t.test('servers share channels', async t => {
    const { url } = await RedisServer.start(t, program)
    const [one, other] = [await demo(t, { REDIS_URL: url }), await demo(t, { REDIS_URL: url })]
    t.equal(await publish(one, 'hello'), 201)
    const client = new AbortController()
    const response = await other.inject({ url: '/channels/news?from=start', payloadAsStream: true, signal: client.signal })
    const chunks: string[] = []
    response.stream().on('error', () => {}).on('data', chunk => { chunks.push(String(chunk)) })
    await eventually(() => { assert.ok(decode(...chunks).events.some(({ data }) => data === 'hello')) })
    client.abort()
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
    t.ok(lines.some(line => line.includes('lost a connection to Redis; reconnecting')))
    t.notOk(lines.some(line => line.includes('secret')))
  })
})
