import t from 'tap'
import { errorFromAnswer, errorFromConnect, errorFromDisconnect, errorFromResponse, parseError } from '../../plugin/llm/error-mapping.ts'

const fromResponse = (status: number, body: unknown = '', headers: Record<string, string> = {}, limitsSpending = false): ReturnType<typeof errorFromResponse> =>
  errorFromResponse(status, headers, typeof body === 'string' ? body : JSON.stringify(body), limitsSpending)

const systemError = (code: unknown): Error => Object.assign(new Error('connect 10.0.0.1:443'), { code })

t.test('every error status maps to a code', t => {
  const expected: Array<[status: number, code: string, retryable: boolean]> = [
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
  for (const [upstreamStatus, code, retryable] of expected) t.match(fromResponse(upstreamStatus), { code, retryable, upstreamStatus }, `${upstreamStatus}`)
  t.end()
})

t.test('an exhausted quota is not a rate limit', t => {
  t.match(fromResponse(429, { error: { message: 'You exceeded your current quota', type: 'insufficient_quota', param: null, code: 'insufficient_quota' } }), { code: 'upstream_quota', retryable: false })
  t.match(fromResponse(429, { error: { code: 'credit_balance_exhausted' } }), { code: 'upstream_quota' })
  t.match(fromResponse(400, { type: 'error', error: { type: 'invalid_request_error', message: 'Your credit balance is too low to access the Anthropic API.' } }), { code: 'upstream_quota' })
  t.end()
})

t.test('a 429 without Retry-After is an exhausted quota if the protocol limits spending', t => {
  const body = { type: 'error', error: { type: 'rate_limit_error' } }
  t.match(fromResponse(429, body, {}, true), { code: 'upstream_quota' })
  t.match(fromResponse(429, body, { 'retry-after': '1' }, true), { code: 'upstream_rate_limit', retryAfter: 1_000 })
  t.match(fromResponse(429, body), { code: 'upstream_rate_limit' })
  t.end()
})

t.test('a prompt that is too long is recognized by the wording of several servers', t => {
  const bodies = [
    { error: { code: 'context_length_exceeded', message: 'This model\'s maximum context length is 128000 tokens.' } },
    { error: { code: 400, type: 'exceed_context_size_error', message: 'the request exceeds the available context size' } },
    { type: 'error', error: { type: 'invalid_request_error', message: 'prompt is too long: 208310 tokens > 200000 maximum' } },
    { object: 'error', message: 'This model\'s maximum context length is 4096 tokens.', code: 400 },
    { error: 'input length exceeds maximum context length' }
  ]
  for (const body of bodies) t.match(fromResponse(400, body), { code: 'prompt_too_long', statusCode: 413, retryable: false }, JSON.stringify(body))
  t.match(fromResponse(429, { error: { message: 'Too many tokens per minute for this context size' } }), { code: 'upstream_rate_limit' })
  t.end()
})

t.test('x-should-retry overrides whether an error is retryable', t => {
  t.match(fromResponse(400, '', { 'x-should-retry': 'true' }), { code: 'upstream_rejected', retryable: true })
  t.match(fromResponse(503, '', { 'x-should-retry': 'false', 'retry-after': '1' }), { code: 'upstream_overloaded', retryable: false, headers: undefined })
  t.match(fromResponse(503, '', { 'x-should-retry': 'perhaps' }), { retryable: true })
  t.end()
})

t.test('an exhausted quota is never retryable, even with x-should-retry', t => {
  t.match(fromResponse(429, { error: { code: 'insufficient_quota' } }, { 'x-should-retry': 'true', 'retry-after': '1' }), { code: 'upstream_quota', retryable: false, headers: undefined })
  t.match(fromResponse(429, '', { 'x-should-retry': 'true' }, true), { code: 'upstream_quota', retryable: false })
  t.match(fromResponse(429, { error: { code: 'billing_not_active' } }), { code: 'upstream_quota', retryable: false })
  t.end()
})

t.test('the body of an error response can be anything', t => {
  for (const body of ['', 'null', '5', '"text"', '[]', '<html>', '{"error":null}', '{"error":{"code":{},"type":7}}']) t.match(fromResponse(500, body), { code: 'upstream_error' }, body)
  t.end()
})

t.test('an error within the answer maps to a code by its type, code and message', t => {
  const expected: Array<[error: unknown, code: string]> = [
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
  for (const [error, code] of expected) t.match(errorFromAnswer(error), { code, upstreamStatus: undefined }, JSON.stringify(error))
  t.end()
})

t.test('a status in the answer can be a string, and a number that is not an HTTP status is ignored', t => {
  const expected: Array<[code: unknown, mapped: string, retryable: boolean]> = [
    ['429', 'upstream_rate_limit', true],
    ['400', 'upstream_rejected', false],
    ['503', 'upstream_overloaded', true],
    [0, 'upstream_failed', true],
    [-1, 'upstream_failed', true],
    [200, 'upstream_failed', true],
    [1302, 'upstream_failed', true]
  ]
  for (const [code, mapped, retryable] of expected) t.match(errorFromAnswer({ code }), { code: mapped, retryable }, JSON.stringify(code))
  t.match(errorFromAnswer({ code: 0, type: 'rate_limit_error' }), { code: 'upstream_rate_limit' })
  t.end()
})

t.test('a connection error is a timeout or an unreachable upstream', t => {
  t.match(errorFromConnect(systemError('UND_ERR_CONNECT_TIMEOUT')), { code: 'upstream_connect_timeout' })
  t.match(errorFromConnect(systemError('ECONNREFUSED')), { code: 'upstream_unreachable', message: 'The model cannot be reached (ECONNREFUSED)', cause: { code: 'ECONNREFUSED' } })
  for (const code of [undefined, 7, '10.0.0.1']) t.equal(errorFromConnect(systemError(code)).message, 'The model cannot be reached', 'only a system error code is shown')
  t.end()
})

t.test('a lost connection is reported with its system error code', t => {
  t.match(errorFromDisconnect(systemError('ECONNRESET')), { code: 'upstream_cut', message: 'The connection to the model was lost (ECONNRESET)', cause: { code: 'ECONNRESET' } })
  t.end()
})

t.test('an error is parsed from its property, from the whole data, or taken as text', t => {
  t.strictSame(parseError('{"error":{"message":"x"}}'), { message: 'x' })
  t.strictSame(parseError('{"message":"x"}'), { message: 'x' })
  t.equal(parseError('null'), null)
  t.equal(parseError('not JSON'), 'not JSON')
  t.end()
})
