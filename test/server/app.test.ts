import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { buildApp } from '../../server/app.ts'
import { readConfig } from '../../server/config.ts'

async function demo (t: Test, env: NodeJS.ProcessEnv = {}): Promise<FastifyInstance> {
  const app = await buildApp(readConfig({ CHAT_INTERVAL_MS: '0', ...env }))
  t.teardown(() => app.close())
  return app
}

t.test('the page is served with a strict policy', async t => {
  const app = await demo(t)
  const { statusCode, headers, body } = await app.inject('/')
  t.equal(statusCode, 200)
  t.match(body, /<!doctype html>/)
  const policy = String(headers['content-security-policy']).split(';')
  t.ok(policy.includes("default-src 'none'"))
  t.ok(policy.includes("script-src 'self'"))
  t.notMatch(String(policy), /unsafe| \*/)
  t.equal(headers['x-content-type-options'], 'nosniff')
  for (const file of ['/chat.js', '/event-stream.js', '/style.css', '/icon.svg']) t.equal((await app.inject(file)).statusCode, 200, file)
  t.equal((await app.inject('/../package.json')).statusCode, 404)
})

t.test('healthz says that the server is there', async t => {
  const app = await demo(t)
  const { statusCode, body } = await app.inject('/healthz')
  t.equal(statusCode, 200)
  t.strictSame(JSON.parse(body), { status: 'ok' })
})

t.test('any page may read what is under /learn', async t => {
  const app = await demo(t)
  for (const origin of ['http://evil.example', 'null']) {
    const { statusCode, headers } = await app.inject({ url: '/learn/sseChat?name=x', headers: { origin } })
    t.equal(statusCode, 200)
    t.equal(headers['access-control-allow-origin'], '*')
  }
})

t.test('pages of other origins may use nothing else', async t => {
  const app = await demo(t)
  for (const origin of ['http://evil.example', 'null', 'https://localhost:80']) {
    const { statusCode, headers, body } = await app.inject({ url: '/healthz', headers: { origin } })
    t.equal(statusCode, 403, origin)
    t.match(JSON.parse(body), { code: 'FOREIGN_ORIGIN' })
    t.equal(headers['access-control-allow-origin'], undefined)
  }
  t.equal((await app.inject({ method: 'OPTIONS', url: '/healthz', headers: { origin: 'http://evil.example', 'access-control-request-method': 'GET' } })).statusCode, 403)
  t.equal((await app.inject({ url: '/healthz', headers: { origin: 'http://localhost:80' } })).statusCode, 200, 'its own may')
})

t.test('unless CORS_ORIGIN names them', async t => {
  const app = await demo(t, { CORS_ORIGIN: 'https://a.example,https://b.example' })
  for (const origin of ['https://a.example', 'https://b.example']) {
    const { statusCode, headers } = await app.inject({ url: '/healthz', headers: { origin } })
    t.equal(statusCode, 200)
    t.equal(headers['access-control-allow-origin'], origin)
  }
  t.equal((await app.inject({ url: '/healthz', headers: { origin: 'https://c.example' } })).statusCode, 403)
})
