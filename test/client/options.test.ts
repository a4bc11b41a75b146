import t from 'tap'
import { resolveConnectOptions, type SseConnectOptions } from '../../plugin/client/options.ts'

t.test('options that are not set have defaults', async t => {
  const settings = resolveConnectOptions({ method: undefined, retry: undefined })
  t.strictSame(settings, {
    method: 'GET',
    headers: {},
    body: undefined,
    credentials: 'same-origin',
    signal: undefined,
    idempotent: undefined,
    lastEventId: '',
    lastEventIdParameter: 'lastEventId',
    heartbeatTimeout: 45_000,
    maxEventLength: 1_048_576,
    parse: undefined,
    schemas: undefined,
    retry: { initial: 1_000, max: 30_000, jitter: 0.5, attempts: Infinity },
    onOpen: undefined,
    onEvent: undefined,
    onReady: undefined,
    onGap: undefined,
    onReset: undefined,
    onError: undefined,
    onState: undefined
  })
})

t.test('valid options are used', async t => {
  const onEvent = (): void => {}
  const headers = (): { a: string } => ({ a: 'b' })
  t.match(resolveConnectOptions({ method: 'post', headers, lastEventIdParameter: null, retry: { attempts: 3, max: undefined }, onEvent }), {
    method: 'POST', headers, lastEventIdParameter: null, retry: { initial: 1_000, max: 30_000, attempts: 3 }, onEvent
  })
  t.equal(resolveConnectOptions({ maxEventLength: Infinity }).maxEventLength, Infinity)
  for (const body of ['a', new URLSearchParams(), new FormData(), new Blob([]), new ArrayBuffer(1), new Uint8Array(1)]) {
    t.equal(resolveConnectOptions({ body }).body, body)
  }
})

t.test('an invalid option is rejected by name', async t => {
  const rejected: Array<[options: Record<string, unknown>, message: string]> = [
    [{ method: 5 }, 'Option `method` must be a string; received 5'],
    [{ headers: 'a: b' }, 'Option `headers` must be an object of names and values, or a function; received "a: b"'],
    [{ headers: null }, 'Option `headers` must be an object of names and values, or a function; received null'],
    [{ body: {} }, 'Option `body` must be a string or another body that can be sent again; received an object'],
    [{ body: new ReadableStream() }, 'Option `body` must be a string or another body that can be sent again; received an object'],
    [{ credentials: true }, "Option `credentials` must be 'omit' or 'same-origin' or 'include'; received true"],
    [{ signal: {} }, 'Option `signal` must be an AbortSignal; received an object'],
    [{ idempotent: 1 }, 'Option `idempotent` must be true or false; received 1'],
    [{ lastEventId: 'a\n' }, 'Option `lastEventId` must be a string on one line, without NUL; received "a\\n"'],
    [{ lastEventId: 1 }, 'Option `lastEventId` must be a string on one line, without NUL; received 1'],
    [{ lastEventIdParameter: '' }, 'Option `lastEventIdParameter` must be a non-empty string; received ""'],
    [{ lastEventIdParameter: false }, 'Option `lastEventIdParameter` must be a non-empty string; received false'],
    [{ heartbeatTimeout: -1 }, 'Option `heartbeatTimeout` must be an integer from 0 to 2147483647 milliseconds (0 disables it); received -1'],
    [{ heartbeatTimeout: 1.5 }, 'Option `heartbeatTimeout` must be an integer from 0 to 2147483647 milliseconds (0 disables it); received 1.5'],
    [{ heartbeatTimeout: Infinity }, 'Option `heartbeatTimeout` must be an integer from 0 to 2147483647 milliseconds (0 disables it); received Infinity'],
    [{ maxEventLength: '9' }, 'Option `maxEventLength` must be a positive integer of characters; received "9"'],
    [{ parse: true }, 'Option `parse` must be a function; received true'],
    [{ schemas: [{}] }, 'Option `schemas` must be an object of event types and Standard Schemas; received an array'],
    [{ schemas: null }, 'Option `schemas` must be an object of event types and Standard Schemas; received null'],
    [{ schemas: { tick: undefined } }, 'Option `schemas` must be an object of event types and Standard Schemas; received an object'],
    [{ retry: 5 }, 'Option `retry` must be an object of options; received 5'],
    [{ retry: { initial: 0 } }, 'Option `retry.initial` must be an integer from 1 to 2147483647 milliseconds; received 0'],
    [{ retry: { jitter: 2 } }, 'Option `retry.jitter` must be a number from 0 to 1; received 2'],
    [{ retry: { jitter: -0.1 } }, 'Option `retry.jitter` must be a number from 0 to 1; received -0.1'],
    [{ retry: { jitter: '0' } }, 'Option `retry.jitter` must be a number from 0 to 1; received "0"'],
    [{ retry: { jitter: NaN } }, 'Option `retry.jitter` must be a number from 0 to 1; received NaN'],
    [{ retry: { attempts: 1.5 } }, 'Option `retry.attempts` must be a non-negative integer; received 1.5'],
    [{ retry: { delay: 5 } }, 'Unknown option `retry.delay`; expected one of initial, max, jitter, attempts'],
    [{ onEvent: 'log' }, 'Option `onEvent` must be a function; received "log"'],
    [{ toString: 5 }, 'Unknown option `toString`; expected one of method, headers, body, credentials, signal, idempotent, lastEventId, ' +
      'lastEventIdParameter, heartbeatTimeout, maxEventLength, parse, schemas, retry, onOpen, onEvent, onReady, onGap, onReset, onError, onState']
  ]
  for (const [options, message] of rejected) {
    t.throws(() => resolveConnectOptions(options as SseConnectOptions), { code: 'SSE_CLIENT_ERR_OPTION', message })
  }
  t.throws(() => resolveConnectOptions('GET' as SseConnectOptions), { code: 'SSE_CLIENT_ERR_OPTION', message: 'The options of connect() must be an object; received "GET"' })
})
