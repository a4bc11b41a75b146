import t from 'tap'
import { connect, SseClientError } from 'fastify-sse-emitter/client'
import { serve, status } from '../fixtures/connection.ts'

t.test('what is no request is refused at once', async t => {
  const refused: Array<[url: string, options: object, message: RegExp]> = [
    ['/relative', {}, /^There is no such request: .*\/relative/],
    ['http://127.0.0.1/', { method: 'a b' }, /^There is no such request: /],
    ['http://127.0.0.1/', { body: 'x' }, /^There is no such request: .*body/],
    ['http://127.0.0.1/', { headers: { 'a b': 'c' } }, /^There is no such request: /],
    ['http://127.0.0.1/', { heartbeatTimeout: -1 }, /^Option `heartbeatTimeout`/]
  ]
  for (const [url, options, message] of refused) t.throws(() => connect(url, options), { name: 'SseClientError', code: 'SSE_ERR_OPTION', message })
  t.throws(() => connect('/relative'), SseClientError)
})

t.test('an address may be a URL', async t => {
  const { url, asked } = await serve(t, [status(204)])
  await connect(new URL('?a=b#c', url), { method: 'post', body: new URLSearchParams({ d: 'e' }), headers: { 'content-type': 'text/plain' } }).closed
  t.match(asked, [{ method: 'POST', query: { a: 'b' }, body: 'd=e' }])
})
