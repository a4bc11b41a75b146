import { inspect } from 'node:util'
import t from 'tap'
import { Agent } from 'undici'
import { resolveModelOptions, type ModelOptions } from '../../plugin/llm/options.ts'
import { detailed } from '../fixtures/detailed.ts'

const resolve = (options: unknown): ReturnType<typeof resolveModelOptions> => resolveModelOptions(options as ModelOptions)
const baseURL = 'https://models.example/v1'

t.test('every option but baseURL has a default', t => {
  t.strictSame(resolve({ baseURL, apiKey: undefined, idleTimeout: undefined }), {
    baseURL: new URL(baseURL),
    apiKey: undefined,
    headers: {},
    signal: undefined,
    connectTimeout: 10_000,
    firstByteTimeout: 900_000,
    firstTokenTimeout: 900_000,
    idleTimeout: 60_000,
    maxEventBytes: 1_048_576,
    retries: 2,
    maxRetryDelay: 5_000,
    dispatcher: undefined
  })
  for (const options of [undefined, {}]) t.throws(() => resolve(options), { code: 'SSE_ERR_OPTION', message: 'Option `baseURL` is required' })
  t.end()
})

t.test('every option can be set', t => {
  const { signal } = new AbortController()
  const dispatcher = new Agent()
  const options = { baseURL: new URL(baseURL), apiKey: 'k', headers: { 'X-One': '1' }, signal, connectTimeout: 1, firstByteTimeout: 2, firstTokenTimeout: 3, idleTimeout: 4, maxEventBytes: 5, retries: 0, maxRetryDelay: 0, dispatcher }
  const settings = resolve(options)
  t.strictSame({ ...settings, dispatcher: undefined }, { ...options, headers: { 'x-one': '1' }, dispatcher: undefined }, 'header names are lower-cased')
  t.equal(settings.dispatcher, dispatcher)
  t.end()
})

t.test('delays without a limit, or above the longest one of a timer, become that one', t => {
  const longest = 2 ** 31 - 1
  for (const ms of [0, 2 ** 31, Number.MAX_SAFE_INTEGER]) {
    t.match(resolve({ baseURL, connectTimeout: ms, firstByteTimeout: ms, firstTokenTimeout: ms, idleTimeout: ms }), { connectTimeout: longest, firstByteTimeout: longest, firstTokenTimeout: longest, idleTimeout: longest })
  }
  t.equal(resolve({ baseURL, maxRetryDelay: 2 ** 31 }).maxRetryDelay, longest)
  t.end()
})

t.test('an invalid value or an unknown name throws, and secrets are not shown', t => {
  const secret = 'sk-5ecret'
  const invalid: Record<string, unknown[]> = {
    baseURL: ['', 'models.example', `ftp://user:${secret}@models.example`, `https://user:${secret}%@models.example`, `https://${secret}%zz@models.example`, 5, null, Object.create(null)],
    apiKey: ['', `${secret}\n`, 5, null],
    headers: [null, 'x', [secret], { 'a b': secret }, { a: `${secret}\n` }, { a: 5 }, { 'Content-Length': secret }],
    signal: [null, { aborted: false }],
    connectTimeout: [-1, 1.5, '5', null],
    firstByteTimeout: [-1],
    firstTokenTimeout: [-1],
    idleTimeout: [-1],
    maxEventBytes: [0],
    retries: [-1],
    maxRetryDelay: [-1],
    dispatcher: [null, {}, { dispatch: true }],
    api_key: [secret],
    constructor: [secret]
  }
  for (const [name, values] of Object.entries(invalid)) {
    for (const value of values) {
      const error = t.throws(() => resolve({ baseURL, [name]: value }), { code: 'SSE_ERR_OPTION', message: new RegExp(`ption \`${name}`) }, inspect({ [name]: value }))
      t.notMatch(inspect(error, { depth: Infinity, showHidden: true }), /5ecret/)
    }
  }
  t.throws(() => resolve(Object.create({ baseURL, retry: 1 })), { code: 'SSE_ERR_OPTION', message: /^Unknown option `retry`/ }, 'inherited')
  t.end()
})

t.test('messages name the option, the rule and what was received', t => {
  const messages: Array<[options: object, message: string]> = [
    [{ baseURL: null }, 'Option `baseURL` must be an absolute URL with the scheme http or https; received null'],
    [{ apiKey: 5 }, 'Option `apiKey` must be a non-empty string without characters that are invalid in a header; received a value of type number'],
    [{ headers: ['x'] }, 'Option `headers` must be an object of header names and values; received an array'],
    [{ headers: { TE: 'trailers' } }, 'Option `headers.te` must be omitted: it is set by the HTTP client; received a value of type string'],
    [{ idleTimeout: -1 }, 'Option `idleTimeout` must be a non-negative integer of milliseconds (0 sets no limit); received -1'],
    [{ dispatcher: {} }, 'Option `dispatcher` must be a dispatcher of undici; received an object']
  ]
  for (const [options, message] of messages) t.throws(() => resolve({ baseURL, ...options }), detailed(message))
  t.end()
})

t.test('options that are not an object throw', t => {
  for (const options of [null, 'https://models.example', []]) t.throws(() => resolve(options), { code: 'SSE_ERR_OPTION', message: /^The options of a model request must be an object$/, detail: /^received / }, inspect(options))
  t.end()
})
