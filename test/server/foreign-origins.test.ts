import fastify from 'fastify'
import t from 'tap'
import { refuseForeignOrigins } from '../../server/foreign-origins.ts'

const app = fastify()
app.addHook('onRequest', refuseForeignOrigins(['https://allowed.example']))
app.get('/', async () => 'admitted')

t.test('a page of another origin is refused with 403', async t => {
  for (const origin of ['https://foreign.example', 'null', 'https://localhost:80', 'http://localhost', 'https://allowed.example.com']) {
    const { statusCode, body } = await app.inject({ url: '/', headers: { origin } })
    t.equal(statusCode, 403, origin)
    t.match(JSON.parse(body), { code: 'FOREIGN_ORIGIN', message: `Requests from ${origin} are not allowed; add the origin to CORS_ORIGIN to allow them` })
  }
})

t.test('a page of the server or of an allowed origin is admitted', async t => {
  for (const origin of ['http://localhost:80', 'https://allowed.example']) t.equal((await app.inject({ url: '/', headers: { origin } })).statusCode, 200, origin)
})

t.test('a request without an origin is admitted', async t => {
  t.equal((await app.inject('/')).statusCode, 200)
})
