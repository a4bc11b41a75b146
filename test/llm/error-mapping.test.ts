import t from 'tap'
import { errorFromAnswer, errorFromConnect, errorFromDisconnect, errorFromRequest, errorFromResponse, jsonOrText, throwReportedError } from '../../plugin/llm/error-mapping.ts'

const fromResponse = (status: number, body: unknown = '', headers: Record<string, string> = {}, limitsSpending = false): ReturnType<typeof errorFromResponse> =>
  errorFromResponse(status, headers, typeof body === 'string' ? body : JSON.stringify(body), limitsSpending)

const reportedError = (value: unknown): unknown => {
  try {
    throwReportedError(value)
  } catch (error) {
    return error
  }
  return undefined
}

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
  for (const message of ['Requests per minute exceeded', 'Please try again later', 'ThrottlingException: Too many tokens', 'Too Many Requests', 'max organization concurrency: 3']) {
    t.match(fromResponse(429, { type: 'error', error: { type: 'rate_limit_error', message } }, {}, true), { code: 'upstream_rate_limit', retryable: true }, `another server: ${message}`)
  }
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

t.test('data that is not JSON is returned as text', t => {
  t.strictSame(jsonOrText('{"message":"x"}'), { message: 'x' })
  t.equal(jsonOrText('not JSON'), 'not JSON')
  t.end()
})

t.test('a prompt that is too long is recognized by the wording of every provider', t => {
  const wordings = [
    'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
    'Unable to submit request because the input token count is 1200000 but model only supports up to 1048576.',
    'Input is too long for requested model.',
    'This model\'s maximum prompt length is 131072 but the request contains 537812 tokens.',
    'The decoder prompt (length 5000) is longer than the maximum model length of 4096. Make sure that `max_model_len` is no smaller',
    'The prompt (total length 5000) is too long to fit into the model (context length 4096).',
    'Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length',
    'too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000.',
    'Please reduce the length of the messages or completion.',
    'Invalid request: Your request exceeded model token limit: 8192',
    'Range of input length should be [1, 30720]',
    'invalid params, context window exceeds limit',
    'Prompt 超长',
    'Prompt exceeds max length',
    'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5000 `inputs` tokens and 0 `max_new_tokens`',
    'Input validation error: `inputs` must have less than 1024 tokens. Given: 2000',
    'input is too large to process. increase the physical batch size',
    'Input length (5000 tokens) exceeds the maximum allowed length (4096 tokens).',
    'Too many input tokens. Max input tokens: 8192, request input token count: 10000',
    'prompt token count of 130000 exceeds the limit of 128000',
    'prompt too long; exceeded max context length by 12 tokens',
    'input length and `max_tokens` exceed context limit: 180000 + 32000 > 200000',
    'Invalid \'messages[1].content\': string too long. Expected a string with maximum length 1048576'
  ]
  for (const message of wordings) {
    t.match(fromResponse(400, { error: { message } }), { code: 'prompt_too_long', retryable: false }, message)
    t.match(errorFromAnswer({ message }), { code: 'prompt_too_long', retryable: false }, message)
  }
  for (const message of ['Too many tokens, please wait before trying again.', 'Rate limit reached on tokens per min (TPM): Limit 30000, Requested 40000']) {
    t.match(errorFromAnswer({ message }), { code: 'upstream_rate_limit' }, message)
  }
  t.end()
})

t.test('a spent budget is recognized by the wording of every provider, whatever the status', t => {
  const bodies: Array<[status: number, body: unknown]> = [
    [429, { error: { message: 'You exceeded your current token quota: org-x 0, please check your account balance', type: 'exceeded_current_quota_error' } }],
    [429, { error: { message: 'You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.' } }],
    [402, { error: { message: 'Insufficient Balance', type: 'unknown_error', code: 'invalid_request_error' } }],
    [429, { error: { message: 'Insufficient balance' } }],
    [403, { code: 'The caller does not have permission to execute the specified operation', error: 'Your team has either used all available credits or reached its monthly spending limit.' }],
    [429, { code: 'Some resource has been exhausted', error: 'Your team x has either used all available credits or reached its monthly spending limit.' }],
    [400, { code: 'Arrearage', message: 'Access denied, please make sure your account is in good standing.' }],
    [403, { code: 'AllocationQuota.FreeTierOnly', message: 'The free tier of the model has been exhausted.' }],
    [429, { error: { code: '1113', message: '您的账户已欠费,请充值后重试' } }],
    [403, { error: { code: 'AccountOverdueError', message: 'The request failed because your account has an overdue balance.' } }],
    [400, { error: { message: 'Budget has been exceeded! Current cost: 1, Max budget: 1', type: 'budget_exceeded', code: '400' } }],
    [400, { type: 'error', error: { type: 'invalid_request_error', message: 'You have reached your specified API usage limits. You will regain access on 2026-12-01.' } }],
    [429, { message: 'You are using a Trial key, which is limited to 1000 API calls / month.' }],
    [500, { base_resp: { status_code: 1008 } }]
  ]
  for (const [status, body] of bodies) t.match(fromResponse(status, body, { 'x-should-retry': 'true' }), { code: 'upstream_quota', retryable: false }, JSON.stringify(body))
  t.end()
})

t.test('a limit per minute or per day is a rate limit, also where it is called a quota', t => {
  const bodies = [
    [{ error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.\n* Quota exceeded for metric: generate_content_free_tier_requests, limit: 15\nPlease retry in 20s.' } }],
    { error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'You exceeded your current quota, please check your plan and billing details.' } },
    { error: { message: 'Rate limit reached for model x on tokens per day (TPD): Limit 100000. Need more tokens? Upgrade at https://console.groq.com/settings/billing', type: 'tokens', code: 'rate_limit_exceeded' } },
    { code: 'Throttling.AllocationQuota', message: 'Allocated quota exceeded, please increase your quota limit.' },
    { error: { message: 'Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day', code: 429 } },
    { error: { message: 'Your account org-x request reached organization max RPM: 3, please try again after 1 seconds', type: 'rate_limit_reached_error' } }
  ]
  for (const body of bodies) {
    t.match(fromResponse(429, body), { code: 'upstream_rate_limit', retryable: true }, JSON.stringify(body))
    t.match(errorFromAnswer(body), { code: 'upstream_rate_limit', retryable: true }, JSON.stringify(body))
  }
  t.end()
})

t.test('a retry delay in the body is used unless a header has one', t => {
  const body = (retryDelay: unknown): object => ({ error: { code: 429, status: 'RESOURCE_EXHAUSTED', details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay }] } })
  t.match(fromResponse(429, [body('34.074824224s')]), { code: 'upstream_rate_limit', retryAfter: 34_075, headers: { 'retry-after': '35' } })
  t.match(fromResponse(429, body('20s'), { 'retry-after': '7' }), { retryAfter: 7_000 })
  t.match(errorFromAnswer(body('0s')), { code: 'upstream_rate_limit', retryAfter: 0 })
  for (const malformed of ['20', 'soon', '-1s', '1e9s', 20, null]) t.match(fromResponse(429, body(malformed)), { retryAfter: undefined })
  t.end()
})

t.test('an error in the body that is more exact than the status determines the code', t => {
  const expected: Array<[status: number, body: unknown, code: string]> = [
    [500, { error: { code: 429, message: 'slow' } }, 'upstream_rate_limit'],
    [500, { error: { message: 'litellm.RateLimitError: AnthropicException - slow', type: 'throttling_error', code: '500' } }, 'upstream_rate_limit'],
    [400, { error: { code: 400, message: 'API key not valid. Please pass a valid API key.', status: 'INVALID_ARGUMENT' } }, 'upstream_auth'],
    [400, { error: { code: 'model_not_found', type: 'invalid_request_error' } }, 'upstream_not_found'],
    [502, { error: 'The model is currently overloaded' }, 'upstream_overloaded'],
    [500, { error: { code: 'UNAVAILABLE' } }, 'upstream_overloaded'],
    [500, { error: { code: 400, message: 'no' } }, 'upstream_error'],
    [422, { detail: [{ type: 'missing', loc: ['body', 'api_key'], msg: 'missing api key' }] }, 'upstream_rejected'],
    [502, '<html><title>503 Service Unavailable</title>', 'upstream_error'],
    [500, ' <!doctype html>invalid api key', 'upstream_error']
  ]
  for (const [status, body, code] of expected) t.match(fromResponse(status, body), { code, upstreamStatus: status }, JSON.stringify(body))
  t.end()
})

t.test('a failure is recognized in every shape', t => {
  const expected: Array<[value: unknown, code: string]> = [
    [{ error: { message: 'boom' } }, 'upstream_failed'],
    [{ error: 'boom' }, 'upstream_failed'],
    [{ error: {} }, 'upstream_failed'],
    [{ StatusCode: 429, Status: '429 Too Many Requests', error: 'you have reached your hourly usage limit' }, 'upstream_rate_limit'],
    [{ error: 'Model is overloaded', error_type: 'overloaded' }, 'upstream_overloaded'],
    [{ statusCode: 429, error: 'Too Many Requests', message: 'slow' }, 'upstream_rate_limit'],
    [{ error: { error: { type: 'overloaded_error' } } }, 'upstream_overloaded'],
    [{ type: 'error', error: { type: 'authentication_error' } }, 'upstream_auth'],
    [{ type: 'error' }, 'upstream_failed'],
    [{ object: 'error', message: 'This model\'s maximum context length is 4096 tokens.', type: 'BadRequestError', code: 40303 }, 'prompt_too_long'],
    [{ object: 'error', message: 'no', type: 'BadRequestError', code: 400 }, 'upstream_rejected'],
    [[{ error: { code: 429, status: 'RESOURCE_EXHAUSTED' } }], 'upstream_rate_limit'],
    [{ detail: 'Unauthorized' }, 'upstream_auth'],
    [{ detail: 'Not Found' }, 'upstream_failed'],
    [{ detail: [{ type: 'missing', loc: ['body', 'model'], msg: 'Field required' }] }, 'upstream_rejected'],
    [{ message: 'boom' }, 'upstream_failed'],
    [{ message: 'Internal server error', type: 'vendor' }, 'upstream_failed'],
    [{ msg: 'boom' }, 'upstream_failed'],
    [{ code: 'Throttling', message: 'Requests throttling triggered.', request_id: 'r' }, 'upstream_rate_limit'],
    [{ code: 'Throttling' }, 'upstream_rate_limit'],
    [{ code: 'InvalidApiKey', message: 'Invalid API-key provided.' }, 'upstream_auth'],
    [{ code: 'DataInspectionFailed', message: 'Input data may contain inappropriate content.' }, 'upstream_rejected'],
    [{ choices: null, base_resp: { status_code: 1008 } }, 'upstream_quota'],
    [{ choices: null, base_resp: { status_code: 1002, status_msg: 'slow' } }, 'upstream_rate_limit'],
    [{ base_resp: { status_code: 1013, status_msg: 'unknown' } }, 'upstream_failed'],
    [{ errors: [{ message: 'Capacity temporarily exceeded, please try again.', code: 3040 }], success: false }, 'upstream_failed'],
    [{ errors: ['server is busy'] }, 'upstream_overloaded'],
    [{ success: false }, 'upstream_failed'],
    [{ error_code: 336003, error_msg: 'boom' }, 'upstream_failed'],
    [{ status_code: 500 }, 'upstream_failed'],
    [{ code: '503' }, 'upstream_overloaded'],
    [{ __type: 'ThrottlingException', Message: 'slow' }, 'upstream_rate_limit'],
    [{ error: { code: 502, message: 'Provider returned error', metadata: { raw: '{"error":{"message":"prompt is too long: 3 tokens > 2 maximum"}}' } } }, 'prompt_too_long'],
    [{ error: { code: 500, metadata: { raw: { error: { type: 'overloaded_error' } } } } }, 'upstream_overloaded'],
    [{ error: { message: 'boom', code: 500 }, choices: [{ delta: {}, finish_reason: 'error' }] }, 'upstream_failed']
  ]
  for (const [value, code] of expected) t.match(reportedError(value), { code }, JSON.stringify(value))
  t.end()
})

t.test('JSON that reports no failure does not throw', t => {
  const harmless = [
    null, 5, 'text', [], [5], [[{ error: 'nested' }]], {}, { choices: [], error: {} }, { type: 'message_delta', delta: {}, error: { code: null } }, { choices: [], error: { code: null, message: '' } }, { error: null }, { error: '' },
    { errors: [], detail: null, message: '' }, { type: 'ping', message: 'hello' }, { type: 'keepalive' }, { status: 'processing', message: 'Please wait' },
    { code: 0, message: 'success' }, { code: 200, msg: 'OK' }, { code: '200', message: 'OK' }, { code: 'Success', message: 'OK' }, { success: true, errors: [] },
    { base_resp: { status_code: 0, status_msg: '' } }, { base_resp: null }, { usage: {} }, { raw: 'text' }, { message: { content: 'Hi' } }, { id: 'x', model: 'm' }
  ]
  for (const value of harmless) t.equal(reportedError(value), undefined, JSON.stringify(value))
  t.end()
})

t.test('a report is read to a limited depth', t => {
  let report: unknown = { code: 429 }
  for (let depth = 0; depth < 10_000; depth++) report = { error: report }
  t.match(reportedError(report), { code: 'upstream_failed' })
  t.end()
})

t.test('an error of a request without a response maps by its code; one of the caller is returned', t => {
  const wrapped = (code: unknown): Error => new TypeError('fetch failed', { cause: systemError(code) })
  const codes = {
    ECONNREFUSED: 'upstream_unreachable',
    ENOTFOUND: 'upstream_unreachable',
    CERT_HAS_EXPIRED: 'upstream_unreachable',
    UND_ERR_CONNECT_TIMEOUT: 'upstream_connect_timeout',
    UND_ERR_HEADERS_TIMEOUT: 'first_byte_timeout',
    ECONNRESET: 'upstream_cut',
    UND_ERR_SOCKET: 'upstream_cut',
    HPE_INVALID_CONSTANT: 'upstream_cut'
  }
  for (const [code, expected] of Object.entries(codes)) {
    for (const error of [systemError(code), wrapped(code)]) t.match(errorFromRequest(error), { name: 'ModelError', code: expected, cause: { code } }, code)
  }
  for (const code of ['ERR_INVALID_URL', 'UND_ERR_INVALID_ARG', 'UND_ERR_ABORTED', 20, undefined]) {
    for (const error of [systemError(code), wrapped(code)]) t.equal(errorFromRequest(error), error, String(code))
  }
  for (const error of [new DOMException('', 'TimeoutError'), new Error('a bug', { cause: 'text' }), 'text', undefined]) t.equal(errorFromRequest(error), error)
  t.end()
})
