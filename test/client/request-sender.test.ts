import t from 'tap'
import { build } from '../fixtures/app.ts'
import { fakePage } from '../fixtures/browser-page.ts'
import { disconnect, record, serve, status, text, type Responder } from '../fixtures/connection.ts'

t.test('an id may contain any characters', async t => {
  const { app, listen } = await build(t)
  const ids: Array<string | undefined> = []
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    ids.push(emitter.lastEventId)
    if (ids.length > 1) reply.code(204)
    emitter.send('a', { id: 'größer 😀' })
    emitter.complete()
  })
  const { connection } = record(t, await listen(), { lastEventId: 'ältest' })
  t.equal(await connection.closed, undefined)
  t.strictSame(ids, ['ältest', 'größer 😀'])
})

t.test('a page sends the id to its own origin in a header, and to others in a query parameter', async t => {
  const { url, requests } = await serve(t, [status(204)])
  const connectFrom = async (origin: string, options = {}): Promise<void> => {
    fakePage(t, origin)
    await record(t, new URL('?a=b', url), { lastEventId: 'ä&1', ...options }).connection.closed
  }
  await connectFrom(url.origin)
  await connectFrom('http://elsewhere')
  await connectFrom('http://elsewhere', { lastEventIdParameter: 'from' })
  await connectFrom('http://elsewhere', { lastEventIdParameter: null })
  await connectFrom('http://elsewhere', { lastEventId: '' })
  const bytes = Buffer.from('ä&1').toString('latin1')
  t.strictSame(requests.map(({ headers, query }) => [headers['last-event-id'], { ...query }]), [
    [bytes, { a: 'b' }],
    [undefined, { a: 'b', lastEventId: 'ä&1' }],
    [undefined, { a: 'b', from: 'ä&1' }],
    [bytes, { a: 'b' }],
    [undefined, { a: 'b' }]
  ])
})

t.test('the function `headers` is called for each request', async t => {
  let token = 0
  const { url, requests } = await serve(t, [text('data:a\n\n'), text('data:b\n\n'), status(204)])
  await record(t, url, { headers: async () => ({ authorization: `Bearer ${token++}`, accept: '*/*' }) }).connection.closed
  t.match(requests.map(({ headers: { authorization, accept } }) => [authorization, accept]), [['Bearer 0', '*/*'], ['Bearer 1', '*/*'], ['Bearer 2', '*/*']])
})

t.test('headers that fail are retried, and nothing is sent without them', async t => {
  const { url, requests } = await serve(t, [status(204)])
  const results: Array<() => Record<string, string>> = [() => { throw new Error('no token') }, () => ({ 'a b': 'c' }), () => ({ a: 'b' })]
  const { connection, errors } = record(t, url, { method: 'POST', headers: () => results.shift()!() })
  t.equal(await connection.closed, undefined)
  t.match(errors, [
    { error: { code: 'SSE_CLIENT_ERR_HEADERS', message: 'The request headers could not be created: no token', cause: { message: 'no token' } } },
    { error: { code: 'SSE_CLIENT_ERR_HEADERS' } }
  ])
  t.match(requests, [{ method: 'POST', headers: { a: 'b' } }])
  t.equal(requests.length, 1)
})

t.test('a request that is not idempotent is sent once', async t => {
  const responders: Array<[responder: Responder, code: string]> = [
    [text('data:a\n\n'), 'SSE_CLIENT_ERR_ENDED'],
    [disconnect('data:a\n\n'), 'SSE_CLIENT_ERR_NETWORK'],
    [disconnect(), 'SSE_CLIENT_ERR_NETWORK'],
    [status(503, '', { 'retry-after': '1' }), 'SSE_CLIENT_ERR_STATUS']
  ]
  for (const [responder, code] of responders) {
    for (const options of [{ method: 'POST', body: 'x' }, { method: 'post', idempotent: false, headers: { 'idempotency-key': '1' } }, { idempotent: false }]) {
      const { url, requests } = await serve(t, [responder])
      const { connection, errors } = record(t, url, options)
      t.match(await connection.closed, { code })
      t.match(errors, [{ retry: { willRetry: false } }])
      t.equal(requests.length, 1, code)
    }
  }
})

t.test('an idempotent request is repeated with its body', async t => {
  for (const options of [{ idempotent: true }, { headers: { 'Idempotency-Key': '1' } }, { headers: () => ({ 'Idempotency-Key': '1' }) }]) {
    const { url, requests } = await serve(t, [disconnect(), status(503), text('id:7\ndata:a\n\n'), status(204)])
    const { connection } = record(t, url, { method: 'POST', body: 'hello', ...options })
    t.equal(await connection.closed, undefined)
    t.strictSame(requests.map(({ method, body }) => [method, body]), Array(4).fill(['POST', 'hello']))
    t.equal(requests.at(-1)!.headers['last-event-id'], '7')
  }
})

t.test('a request is not repeated with another Idempotency-Key', async t => {
  let key = 0
  const { url, requests } = await serve(t, [text('data:a\n\n')])
  const { connection } = record(t, url, { method: 'POST', headers: () => ({ 'idempotency-key': String(key++) }) })
  t.match(await connection.closed, { code: 'SSE_CLIENT_ERR_IDEMPOTENCY_KEY' })
  t.equal(requests.length, 1)
})
