import t from 'tap'
import { errorOf, failure, refusal } from '../../plugin/llm/refusal.ts'

const refused = (status: number, body: unknown = '', headers: Record<string, string> = {}, capsSpending = false): ReturnType<typeof refusal> =>
  refusal(status, headers, typeof body === 'string' ? body : JSON.stringify(body), capsSpending)

t.test('a status has a meaning', t => {
  const meanings: Array<[status: number, code: string, retryable: boolean]> = [
    [400, 'upstream_rejected', false],
    [401, 'upstream_auth', false],
    [402, 'upstream_quota', false],
    [403, 'upstream_auth', false],
    [404, 'upstream_not_found', false],
    [405, 'upstream_not_found', false],
    [408, 'upstream_error', true],
    [409, 'upstream_error', true],
    [413, 'prompt_too_long', false],
    [422, 'upstream_rejected', false],
    [429, 'upstream_rate_limit', true],
    [500, 'upstream_error', true],
    [502, 'upstream_error', true],
    [503, 'upstream_overloaded', true],
    [504, 'upstream_error', true],
    [529, 'upstream_overloaded', true]
  ]
  for (const [upstreamStatus, code, retryable] of meanings) t.match(refused(upstreamStatus), { code, retryable, upstreamStatus }, `${upstreamStatus}`)
  t.end()
})

t.test('nothing left to spend is not too much at once', t => {
  t.match(refused(429, { error: { message: 'You exceeded your current quota', type: 'insufficient_quota', param: null, code: 'insufficient_quota' } }), { code: 'upstream_quota', retryable: false })
  t.match(refused(429, { error: { code: 'credit_balance_exhausted' } }), { code: 'upstream_quota' })
  t.match(refused(400, { type: 'error', error: { type: 'invalid_request_error', message: 'Your credit balance is too low to access the Anthropic API.' } }), { code: 'upstream_quota' })
  t.match(refused(429, { type: 'error', error: { type: 'rate_limit_error' } }, {}, true), { code: 'upstream_quota' }, 'nor is what has no Retry-After, where there always is one')
  t.match(refused(429, { type: 'error', error: { type: 'rate_limit_error' } }, { 'retry-after': '1' }, true), { code: 'upstream_rate_limit', retryAfter: 1_000 })
  t.end()
})

t.test('a prompt that is too long is known by many words', t => {
  const bodies = [
    { error: { code: 'context_length_exceeded', message: 'This model\'s maximum context length is 128000 tokens.' } },
    { error: { code: 400, type: 'exceed_context_size_error', message: 'the request exceeds the available context size' } },
    { type: 'error', error: { type: 'invalid_request_error', message: 'prompt is too long: 208310 tokens > 200000 maximum' } },
    { object: 'error', message: 'This model\'s maximum context length is 4096 tokens.', code: 400 },
    { error: 'input length exceeds maximum context length' }
  ]
  for (const body of bodies) t.match(refused(400, body), { code: 'prompt_too_long', statusCode: 413, retryable: false }, JSON.stringify(body))
  t.match(refused(429, { error: { message: 'Too many tokens per minute for this context size' } }), { code: 'upstream_rate_limit' })
  t.end()
})

t.test('what is used up is not asked for again, whatever else the upstream says', t => {
  t.match(refused(429, { error: { code: 'insufficient_quota' } }, { 'x-should-retry': 'true', 'retry-after': '1' }), { code: 'upstream_quota', retryable: false, headers: undefined })
  t.match(refused(429, '', { 'x-should-retry': 'true' }, true), { code: 'upstream_quota', retryable: false })
  t.match(refused(429, { error: { code: 'billing_not_active' } }), { code: 'upstream_quota', retryable: false })
  t.end()
})

t.test('the upstream may say itself whether to ask again', t => {
  t.match(refused(400, '', { 'x-should-retry': 'true' }), { code: 'upstream_rejected', retryable: true })
  t.match(refused(503, '', { 'x-should-retry': 'false', 'retry-after': '1' }), { code: 'upstream_overloaded', retryable: false, headers: undefined })
  t.match(refused(503, '', { 'x-should-retry': 'perhaps' }), { retryable: true })
  t.end()
})

t.test('a body can be anything', t => {
  for (const body of ['', 'null', '5', '"text"', '[]', '<html>', '{"error":null}', '{"error":{"code":{},"type":7}}']) t.match(refused(500, body), { code: 'upstream_error' }, body)
  t.end()
})

t.test('what is said in a stream has a meaning as well', t => {
  const meanings: Array<[error: unknown, code: string]> = [
    ['anything', 'upstream_failed'],
    [null, 'upstream_failed'],
    [undefined, 'upstream_failed'],
    [{ type: 'constructor', code: '__proto__' }, 'upstream_failed'],
    [{ message: 'boom', type: 'InternalServerError', code: 500 }, 'upstream_failed'],
    [{ code: 502, message: 'Provider disconnected' }, 'upstream_failed'],
    [{ type: 'api_error', message: 'Internal server error' }, 'upstream_failed'],
    [{ type: 'overloaded_error', message: 'Overloaded' }, 'upstream_overloaded'],
    [{ type: 'server_error', code: 'rate_limit_exceeded' }, 'upstream_rate_limit'],
    [{ code: 429 }, 'upstream_rate_limit'],
    [{ code: 'insufficient_quota' }, 'upstream_quota'],
    [{ code: 400, message: 'the request exceeds the available context size' }, 'prompt_too_long'],
    ['context length exceeded', 'prompt_too_long'],
    [{ type: 'invalid_request_error' }, 'upstream_rejected'],
    [{ type: 'authentication_error' }, 'upstream_auth'],
    [{ code: 'invalid_prompt' }, 'upstream_rejected'],
    [{ code: 'invalid_image_url' }, 'upstream_rejected'],
    [{ code: 'image_too_large' }, 'upstream_rejected'],
    [{ code: 'unsupported_image_media_type' }, 'upstream_rejected'],
    [{ code: 'empty_image_file' }, 'upstream_rejected'],
    [{ type: 'image_generation_error' }, 'upstream_failed'],
    [JSON.parse('{"code":{"toString":1}}'), 'upstream_failed'],
    [{ code: 'invalid_api_key', type: 'invalid_request_error' }, 'upstream_auth']
  ]
  for (const [error, code] of meanings) t.match(failure(error), { code, upstreamStatus: undefined }, JSON.stringify(error))
  t.end()
})

t.test('a status may be a text, and a number need not be one', t => {
  const meanings: Array<[code: unknown, meaning: string, retryable: boolean]> = [
    ['429', 'upstream_rate_limit', true],
    ['400', 'upstream_rejected', false],
    ['503', 'upstream_overloaded', true],
    [0, 'upstream_failed', true],
    [-1, 'upstream_failed', true],
    [200, 'upstream_failed', true],
    [1302, 'upstream_failed', true]
  ]
  for (const [code, meaning, retryable] of meanings) t.match(failure({ code }), { code: meaning, retryable }, JSON.stringify(code))
  t.match(failure({ code: 0, type: 'rate_limit_error' }), { code: 'upstream_rate_limit' })
  t.end()
})

t.test('an error is found where it is', t => {
  t.strictSame(errorOf('{"error":{"message":"x"}}'), { message: 'x' })
  t.strictSame(errorOf('{"message":"x"}'), { message: 'x' })
  t.equal(errorOf('null'), null)
  t.equal(errorOf('no JSON'), 'no JSON')
  t.end()
})
