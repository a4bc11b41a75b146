import fastify from 'fastify'
import t from 'tap'
import { MODEL_ERRORS, ModelError, type ModelErrorCode } from '../../plugin/llm/errors.ts'

t.test('every code has a message and a status that is not about our own login', t => {
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

t.test('the message tells the status, or what else is known', t => {
  t.equal(new ModelError('upstream_error', { upstreamStatus: 500 }).message, 'The model failed (500)')
  t.equal(new ModelError('upstream_cut', { reason: 'ECONNRESET' }).message, 'The connection to the model broke (ECONNRESET)')
  t.end()
})

t.test('Fastify answers with it', async t => {
  const app = fastify()
  t.teardown(() => app.close())
  const errors: Record<string, ModelError> = {
    '/busy': new ModelError('upstream_rate_limit', { upstreamStatus: 429, retryAfter: 1_200 }),
    '/auth': new ModelError('upstream_auth', { upstreamStatus: 401 }),
    '/poor': new ModelError('upstream_quota', { upstreamStatus: 429, retryAfter: 1_200 })
  }
  app.get('/:which', async ({ url }) => { throw errors[url] })
  const busy = await app.inject('/busy')
  t.equal(busy.statusCode, 429)
  t.equal(busy.headers['retry-after'], '2', 'in whole seconds')
  t.match(busy.json(), { code: 'upstream_rate_limit', message: 'The model is asked too much at the moment (429)' })
  t.equal((await app.inject('/auth')).statusCode, 502)
  const poor = await app.inject('/poor')
  t.equal(poor.statusCode, 503)
  t.notOk('retry-after' in poor.headers, 'no waiting helps')
})
