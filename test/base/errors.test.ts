import t from 'tap'
import * as errors from '../../plugin/base/errors.ts'

const { SSE_ERR_CHANNEL, SSE_ERR_CLOSED, SSE_ERR_FULL, SSE_ERR_LAST_EVENT_ID, SSE_ERR_SERIALIZE } = errors

t.test('every error is named after its code', async t => {
  for (const [name, SseError] of Object.entries(errors)) {
    const error = new SseError('complete')
    t.equal(error.code, name)
    t.ok(error instanceof Error, name)
  }
})

t.test('a client receives the status of the error, and 500 if the cause is in the server', async t => {
  const statuses = Object.entries(errors).map(([name, SseError]) => [name, new SseError('complete').statusCode] as const).filter(([, status]) => status !== 500)
  t.strictSame(Object.fromEntries(statuses), {
    SSE_ERR_NOT_ACCEPTABLE: 406,
    SSE_ERR_FULL: 503,
    SSE_ERR_FULL_FOR_KEY: 429,
    SSE_ERR_FULL_FOR_CONNECTION: 429,
    SSE_ERR_LAST_EVENT_ID: 400,
    SSE_ERR_BROKER_CLOSED: 503,
    SSE_ERR_BROKER_UNAVAILABLE: 503,
    SSE_ERR_BROKER_FULL: 503,
    SSE_ERR_IDEMPOTENCY_KEY: 422,
    SSE_ERR_PRECONDITION: 412,
    SSE_ERR_RUN_ID: 400,
    SSE_ERR_RUN_FORGOTTEN: 410,
    SSE_ERR_RUNS_FULL: 503,
    SSE_ERR_RUNS_CLOSED: 503
  })
})

t.test('an invalid argument is a TypeError', async t => {
  const names = Object.entries(errors).filter(([, SseError]) => new SseError('complete') instanceof TypeError).map(([name]) => name)
  t.strictSame(names, ['SSE_ERR_CALLBACK', 'SSE_ERR_CHANNEL', 'SSE_ERR_EVENT', 'SSE_ERR_OPTION', 'SSE_ERR_RUN_ID', 'SSE_ERR_SERIALIZE', 'SSE_ERR_SOURCE'])
})

t.test('the detail of an error contains the value that caused it, and the message does not', async t => {
  t.match(new SSE_ERR_CHANNEL('received 5'), { message: 'A channel name must be a string of 1 to 255 characters that contains no control characters and does not start with `sse-`', detail: 'received 5' })
  t.equal(new SSE_ERR_LAST_EVENT_ID('1025', '1024').message, 'The last event id has 1025 characters; the maximum is 1024')
  const cause = new Error('circular')
  t.match(new SSE_ERR_SERIALIZE(cause.message, { cause }), { message: 'Event data could not be serialized', detail: 'circular', cause })
})

t.test('an error of a closed stream contains the reason', async t => {
  const error = new SSE_ERR_CLOSED('timeout')
  t.match(error, { code: 'SSE_ERR_CLOSED', statusCode: 500, message: 'The event stream is closed: timeout', reason: 'timeout' })
  t.ok(error instanceof SSE_ERR_CLOSED)
  t.equal(error.stack, 'FastifyError [SSE_ERR_CLOSED]: The event stream is closed: timeout', 'there is no trace')
  t.equal(JSON.parse(JSON.stringify(error)).stack, undefined)
  t.notOk(error instanceof SSE_ERR_FULL)
})

t.test('an application can hide a single error that clients would see', async t => {
  const [hidden, other] = [new errors.SSE_ERR_FULL(), new errors.SSE_ERR_FULL()]
  Object.assign(hidden, { expose: false })
  t.equal(Reflect.get(hidden, 'expose'), false)
  t.equal(Reflect.get(other, 'expose'), true)
})

t.test('every class has the name that loggers and stack traces show', async t => {
  for (const [code, SseError] of Object.entries(errors)) t.match(SseError.name, /^(FastifyError|SSE_ERR_CLOSED)$/, code)
})
