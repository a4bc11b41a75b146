import { inspect } from 'node:util'
import t from 'tap'
import { Agent } from 'undici'
import { resolveModelOptions, stringifyBody, type ModelOptions } from '../../plugin/llm/options.ts'

const resolve = (options: object): ReturnType<typeof resolveModelOptions> => resolveModelOptions(options as ModelOptions)
const baseURL = 'https://models.example/v1'

t.test('every option has a default but one', t => {
  t.strictSame(resolve({ baseURL, apiKey: undefined, idleTimeout: undefined }), {
    baseURL: new URL(baseURL),
    apiKey: undefined,
    headers: {},
    signal: undefined,
    connectTimeout: 10_000,
    firstByteTimeout: 60_000,
    firstTokenTimeout: 60_000,
    idleTimeout: 60_000,
    maxEventBytes: 1_048_576,
    retries: 2,
    maxRetryDelay: 5_000,
    dispatcher: undefined
  })
  t.throws(() => resolve({}), { code: 'SSE_ERR_OPTION', message: /baseURL/ })
  t.end()
})

t.test('every option may be given', t => {
  const { signal } = new AbortController()
  const dispatcher = new Agent()
  const given = { baseURL: new URL(baseURL), apiKey: 'k', headers: { 'X-One': '1' }, signal, connectTimeout: 1, firstByteTimeout: 2, firstTokenTimeout: 3, idleTimeout: 4, maxEventBytes: 5, retries: 0, maxRetryDelay: 0, dispatcher }
  const settings = resolve(given)
  t.strictSame({ ...settings, dispatcher: undefined }, { ...given, headers: { 'x-one': '1' }, dispatcher: undefined }, 'names of headers in lower case')
  t.equal(settings.dispatcher, dispatcher)
  t.end()
})

t.test('no limit is as long as a timer can wait', t => {
  for (const ms of [0, 2 ** 31, Number.MAX_SAFE_INTEGER]) {
    t.match(resolve({ baseURL, connectTimeout: ms, firstByteTimeout: ms, firstTokenTimeout: ms, idleTimeout: ms }), { connectTimeout: 2 ** 31 - 1, firstByteTimeout: 2 ** 31 - 1, firstTokenTimeout: 2 ** 31 - 1, idleTimeout: 2 ** 31 - 1 })
  }
  t.equal(resolve({ baseURL, maxRetryDelay: 2 ** 31 }).maxRetryDelay, 2 ** 31 - 1)
  t.end()
})

t.test('what an option cannot be is refused, and not shown', t => {
  const secret = 'sk-5ecret'
  const wrong: Record<string, unknown[]> = {
    baseURL: ['', 'models.example', `ftp://user:${secret}@models.example`, `https://user:${secret}%@models.example`, `https://${secret}%zz@models.example`, 5, null],
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
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      const error = t.throws(() => resolve({ baseURL, [name]: value }), { code: 'SSE_ERR_OPTION', message: new RegExp(`ption \`${name}`) }, inspect({ [name]: value }))
      t.notMatch(inspect(error, { depth: Infinity, showHidden: true }), /5ecret/)
    }
  }
  t.end()
})

t.test('a body is an object that JSON can express', t => {
  const complete = (body: object): object => ({ ...body, stream: true })
  t.equal(stringifyBody({ model: 'm' }, complete), '{"model":"m","stream":true}')
  const circle: Record<string, unknown> = {}
  circle['self'] = circle
  for (const body of [null, undefined, 'text', [], circle, { n: 1n }]) t.throws(() => stringifyBody(body, complete), { code: 'SSE_ERR_OPTION', message: /^The body of a model request must be / })
  t.end()
})
