import t from 'tap'
import { connect, SseClientError } from 'fastify-sse-emitter/client'
import { serve, status } from '../fixtures/connection.ts'

t.test('an invalid option or request is rejected immediately', async t => {
  const rejected: Array<[url: string, options: object, message: RegExp]> = [
    ['/relative', {}, /^Invalid request: .*\/relative/],
    ['http://127.0.0.1/', { method: 'a b' }, /^Invalid request: /],
    ['http://127.0.0.1/', { body: 'x' }, /^Invalid request: .*body/],
    ['http://127.0.0.1/', { headers: { 'a b': 'c' } }, /^Invalid request: /],
    ['http://127.0.0.1/', { heartbeatTimeout: -1 }, /^Option `heartbeatTimeout`/]
  ]
  for (const [url, options, message] of rejected) t.throws(() => connect(url, options), { name: 'SseClientError', code: 'SSE_CLIENT_ERR_OPTION', message })
  t.throws(() => connect('/relative'), SseClientError)
})

t.test('the address may be a URL object', async t => {
  const { url, requests } = await serve(t, [status(204)])
  await connect(new URL('?a=b#c', url), { method: 'post', body: new URLSearchParams({ d: 'e' }), headers: { 'content-type': 'text/plain' } }).closed
  t.match(requests, [{ method: 'POST', query: { a: 'b' }, body: 'd=e' }])
})
