import { inspect } from 'node:util'
import fastify from 'fastify'
import t from 'tap'
import sse from 'fastify-sse-emitter'
import { streamChatCompletions, type ModelOptions } from '../../plugin/llm/index.ts'
import { MODEL_ERRORS, ModelError, type ModelErrorCode } from '../../plugin/llm/model-error.ts'
import { chatChunk, closedAddress, collect, sseEvent, startUpstream, type ReceivedRequest } from '../fixtures/upstream.ts'

t.test('every code has a message, and a status other than 401 and 403', t => {
  for (const [code, { message, statusCode, retryable }] of Object.entries(MODEL_ERRORS)) {
    const error = new ModelError(code as ModelErrorCode)
    t.match(error, { name: 'ModelError', code, message, statusCode, retryable, retryAfter: undefined, upstreamStatus: undefined, expose: true })
    t.ok([400, 413, 429, 502, 503, 504].includes(statusCode), `${code}: ${statusCode}`)
    t.notOk('headers' in error)
    t.notOk('cause' in error)
  }
  t.ok(new ModelError('truncated') instanceof Error)
  t.end()
})

t.test('the message includes the upstream status or the reason', t => {
  t.equal(new ModelError('upstream_error', { upstreamStatus: 500 }).message, 'The model responded with an error (500)')
  t.equal(new ModelError('upstream_cut', { reason: 'ECONNRESET' }).message, 'The connection to the model was lost (ECONNRESET)')
  t.end()
})

t.test('an error thrown in a Fastify route produces the matching error response', async t => {
  const app = fastify()
  t.teardown(() => app.close())
  const errors: Record<string, ModelError> = {
    '/rate-limit': new ModelError('upstream_rate_limit', { upstreamStatus: 429, retryAfter: 1_200 }),
    '/auth': new ModelError('upstream_auth', { upstreamStatus: 401 }),
    '/quota': new ModelError('upstream_quota', { upstreamStatus: 429, retryAfter: 1_200 })
  }
  app.get('/:code', async ({ url }) => { throw errors[url] })
  const rateLimit = await app.inject('/rate-limit')
  t.equal(rateLimit.statusCode, 429)
  t.equal(rateLimit.headers['retry-after'], '2', 'rounded up to seconds')
  t.match(rateLimit.json(), { code: 'upstream_rate_limit', message: 'The model is receiving too many requests (429)' })
  t.equal((await app.inject('/auth')).statusCode, 502)
  const quota = await app.inject('/quota')
  t.equal(quota.statusCode, 503)
  t.notOk('retry-after' in quota.headers, 'retrying does not help')
})

t.test('a cause is kept for the log, and is not enumerable', t => {
  const cause = new Error('10.0.0.1')
  const error = new ModelError('upstream_cut', { cause })
  t.equal(error.cause, cause)
  t.notMatch(JSON.stringify(error), /cause/)
  t.end()
})

t.test('no field of an error but its cause contains keys, addresses or text from the upstream', async t => {
  const secret = '5ecret'
  const key = 'k3y'
  const errorBody = { error: { message: secret, code: secret, type: secret } }
  const texts = [sseEvent(errorBody), `event: error\ndata: ${secret}\n\n`, `error: ${secret}\n\n`, `data: {"${secret}\n\n`, chatChunk({ content: { [secret]: 1 } })]
  const noResponse = (): void => {}
  const responses: Array<(request: ReceivedRequest) => void> = [
    ...[302, 400, 401, 403, 404, 413, 429, 500, 503, 529].map(status => (request: ReceivedRequest) => {
      request.respond(status, { 'content-type': 'application/json', location: `http://${secret}.example`, 'x-request-id': secret }, JSON.stringify(errorBody))
    }),
    ...texts.map(text => (request: ReceivedRequest) => { request.stream(text).end() }),
    request => { request.respond(200, { 'content-type': `text/${secret}` }, secret) },
    request => { request.respond(200, { 'content-type': 'application/json' }, `{"${secret}`) },
    request => { request.stream(chatChunk({ content: secret })).end() },
    request => { request.stream(chatChunk({ content: secret })).socket.end() },
    request => { request.socket.end(`HTTP/1.1 ${secret}\r\n\r\n`) },
    request => { request.stream().socket.write(`${secret}\r\n`) },
    request => { request.stream(`data: ${secret.repeat(1_000)}`) },
    noResponse
  ]
  const { baseURL } = await startUpstream(t, (request, number) => { responses[number - 1]!(request) })
  const optionsWithSecrets = (url: string, firstByteTimeout = 60_000): ModelOptions => ({
    baseURL: `${url.replace('//', `//user:${key}@`)}/${key}?key=${key}`,
    apiKey: key,
    headers: { 'x-key': key },
    retries: 0,
    maxEventBytes: 1_000,
    firstByteTimeout
  })
  const body = { model: 'm', messages: [], user: secret }
  const errors = []
  for (const respond of responses) errors.push((await collect(streamChatCompletions(body, optionsWithSecrets(baseURL, respond === noResponse ? 30 : undefined)))).error)
  errors.push((await collect(streamChatCompletions(body, optionsWithSecrets(`http://${await closedAddress()}`)))).error)
  for (const error of errors) {
    t.match(error, { name: 'ModelError' })
    t.notMatch(inspect(error, { depth: Infinity, showHidden: true }), /k3y/, 'not even the cause contains a key')
    const fields = Object.getOwnPropertyNames(error).filter(name => name !== 'cause').map(name => (error as Record<string, unknown>)[name])
    t.notMatch(inspect(fields, { depth: Infinity, showHidden: true }), /k3y|5ecret|127\.0\.0\.1/)
    t.notMatch(JSON.stringify(error), /k3y|5ecret/)
  }
})

t.test('the message of the model\'s server is in the log, without keys, and clients never receive it', async t => {
  const key = 'my-own-key'
  const message = `CUDA out of memory, asked with ${key} and sk-abcdefgh`
  const responses: Array<(request: ReceivedRequest) => void> = [
    request => { request.respond(400, { 'content-type': 'application/json' }, JSON.stringify({ error: { message } })) },
    request => { request.stream(sseEvent({ object: 'error', message })).end() }
  ]
  for (const respond of responses) {
    const { baseURL } = await startUpstream(t, respond)
    const lines: string[] = []
    const app = fastify({ logger: { level: 'error', stream: { write: (line: string) => { lines.push(line) } } } })
    t.teardown(() => app.close())
    await app.register(sse)
    const ask = (): AsyncIterable<object> => streamChatCompletions({ model: 'm', messages: [] }, { baseURL, apiKey: key, retries: 0 })
    app.get('/error', async request => { await collect(ask() as never).then(({ error }) => { request.log.error(error); throw error }) })
    app.get('/stream', async (_request, reply) => {
      const emitter = reply.sse()
      emitter.open()
      await emitter.sendAll(ask())
      return reply
    })
    await app.sse.runs.start('a', ask)
    app.get('/run', async (_request, reply) => {
      await (await app.sse.runs.get('a'))!.watch(reply.sse())
      return reply
    })
    for (const path of ['/error', '/stream', '/run']) t.notMatch((await app.inject(path)).body, /CUDA|my-own-key|sk-abc/, path)
    const log = lines.join('')
    t.match(log, /CUDA out of memory, asked with \[redacted\] and \[redacted\]/)
    t.notMatch(log, /my-own-key|sk-abc/)
  }
})
