import t from 'tap'
import { record, serve, status, text, type Responder } from '../fixtures/connection.ts'

t.test('a response that a retry would not change closes the connection, with the beginning of its body', async t => {
  const rows: Array<[responder: Responder, expected: object]> = [
    [status(401, 'who are you?'), { code: 'SSE_CLIENT_ERR_STATUS', status: 401, body: 'who are you?', message: 'The server responded with 401 Unauthorized' }],
    [status(200, '<p>', { 'content-type': 'text/html' }), { code: 'SSE_CLIENT_ERR_CONTENT_TYPE', status: 200, body: '<p>', message: 'The server responded with text/html; expected text/event-stream' }],
    [status(200, 'x', { 'content-type': 'text/event-stream-not' }), { code: 'SSE_CLIENT_ERR_CONTENT_TYPE' }],
    [async (_request, reply) => { reply.hijack().raw.end('x') }, { code: 'SSE_CLIENT_ERR_CONTENT_TYPE', body: 'x', message: /with no content type; expected/ }],
    [status(205, '', { 'content-type': 'text/event-stream' }), { code: 'SSE_CLIENT_ERR_CONTENT_TYPE', body: '' }],
    [status(404, 'é'.repeat(20_000)), { code: 'SSE_CLIENT_ERR_STATUS', body: 'é'.repeat(16_384) }]
  ]
  for (const [responder, expected] of rows) {
    const { url, requests } = await serve(t, [responder])
    const { connection, log, errors } = record(t, url)
    t.match(await connection.closed, expected)
    t.match(log, ['is closed', /, final$/])
    t.strictSame(errors[0]!.retry, { willRetry: false, delay: 0 })
    t.equal(requests.length, 1)
  }
})

t.test('a content type is case-insensitive and may have parameters', async t => {
  const { url } = await serve(t, [async (_request, reply) => await reply.header('content-type', 'Text/Event-Stream ; charset=utf-8').send('data:a\n\n'), status(204)])
  const { connection, log } = record(t, url)
  await connection.closed
  t.ok(log.includes('message a #'), log.join())
})

t.test('an error keeps the part of a body that was received, if the rest never arrives', async t => {
  const partialBody = (end: boolean): Responder => async (_request, reply) => {
    reply.hijack()
    await new Promise(resolve => { reply.raw.writeHead(403, { 'content-length': 100 }).write('no', resolve) })
    if (end) reply.raw.destroy()
  }
  for (const end of [true, false]) {
    const { url } = await serve(t, [partialBody(end)])
    t.match(await record(t, url, { heartbeatTimeout: 500 }).connection.closed, { code: 'SSE_CLIENT_ERR_STATUS', status: 403, body: 'no' })
  }
})

t.test('Retry-After and retry set the delay', async t => {
  const { url } = await serve(t, [text('retry:20\ndata:a\n\n'), status(503, '', { 'retry-after': '7' })])
  const { logged, connection, errors } = record(t, url)
  await logged('SSE_CLIENT_ERR_STATUS')
  connection.close()
  t.match(errors.map(({ retry }) => retry), [{ delay: 20 }, { delay: 7_000 }])
  t.match(errors[1]!.error, { status: 503, retryAfter: 7_000, message: 'The server responded with 503 Service Unavailable' })
})
