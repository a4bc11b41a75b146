import fastify from 'fastify'
import t from 'tap'
import { refuseForeignHosts } from '../../server/foreign-hosts.ts'
import { rawRequest } from '../fixtures/raw-request.ts'

const app = fastify()
t.teardown(() => app.close())
app.addHook('onRequest', refuseForeignHosts(['Demo.example']))
app.get('/', async () => 'admitted')

t.test('a request for a foreign name is refused with 403', async t => {
  for (const host of ['evil.example', 'evil.example:80', 'demo.example.evil', 'localhost.evil', 'xlocalhost', '127.0.0.1.evil', '1.2.3', '[::1', 'a b']) {
    const { statusCode, body } = await app.inject({ url: '/', headers: { host } })
    t.equal(statusCode, 403, host)
    t.match(JSON.parse(body), { code: 'FOREIGN_HOST', message: 'Requests for this host are not allowed; add its name to ALLOWED_HOSTS to allow them' })
  }
})

t.test('a request for an address, localhost or an allowed name is admitted', async t => {
  for (const host of ['127.0.0.1', '192.168.0.7:3000', '[::1]', '[fe80::1]:3000', 'localhost', 'LOCALHOST:1', 'app.localhost', 'demo.example', 'DEMO.example:443']) {
    t.equal((await app.inject({ url: '/', headers: { host } })).statusCode, 200, host)
  }
})

t.test('a request of HTTP/1.0 without a host is admitted', async t => {
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  t.match(await rawRequest(Number(port), 'GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 /)
})
