import t from 'tap'
import { resolveOptions, type SseConnectOptions } from '../../plugin/client/options.ts'

t.test('what is not said has its default', async t => {
  const settings = resolveOptions({ method: undefined, retry: undefined })
  t.match(settings, {
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
    retry: { initial: 1_000, max: 30_000, jitter: 0.5, attempts: Infinity },
    onEvent: undefined
  })
})

t.test('what is said is taken', async t => {
  const onEvent = (): void => {}
  const headers = (): { a: string } => ({ a: 'b' })
  t.match(resolveOptions({ method: 'post', headers, lastEventIdParameter: null, retry: { attempts: 3, max: undefined }, onEvent }), {
    method: 'POST', headers, lastEventIdParameter: null, retry: { initial: 1_000, max: 30_000, attempts: 3 }, onEvent
  })
  for (const body of ['a', new URLSearchParams(), new FormData(), new Blob([]), new ArrayBuffer(1), new Uint8Array(1)]) {
    t.equal(resolveOptions({ body }).body, body)
  }
})

t.test('what an option cannot have is refused, with its name', async t => {
  const refused: Array<[options: Record<string, unknown>, message: string]> = [
    [{ method: 5 }, 'Option `method` must be a string, got 5 (number)'],
    [{ headers: 'a: b' }, 'Option `headers` must be an object of names and values, or a function, got a: b (string)'],
    [{ headers: null }, 'Option `headers` must be an object of names and values, or a function, got null (object)'],
    [{ body: {} }, 'Option `body` must be a string, or a body that can be sent again, got an object'],
    [{ body: new ReadableStream() }, 'Option `body` must be a string, or a body that can be sent again, got an object'],
    [{ credentials: true }, "Option `credentials` must be 'omit', 'same-origin' or 'include', got true (boolean)"],
    [{ signal: {} }, 'Option `signal` must be an AbortSignal, got an object'],
    [{ idempotent: 1 }, 'Option `idempotent` must be true or false, got 1 (number)'],
    [{ lastEventId: 'a\n' }, 'Option `lastEventId` must be a string on one line, without NUL, got a\n (string)'],
    [{ lastEventId: 1 }, 'Option `lastEventId` must be a string on one line, without NUL, got 1 (number)'],
    [{ lastEventIdParameter: '' }, 'Option `lastEventIdParameter` must be a non-empty string, or null, got  (string)'],
    [{ lastEventIdParameter: false }, 'Option `lastEventIdParameter` must be a non-empty string, or null, got false (boolean)'],
    [{ heartbeatTimeout: -1 }, 'Option `heartbeatTimeout` must be a whole number of milliseconds (0 for none), from 0 to 2147483647, got -1 (number)'],
    [{ heartbeatTimeout: 1.5 }, 'Option `heartbeatTimeout` must be a whole number of milliseconds (0 for none), from 0 to 2147483647, got 1.5 (number)'],
    [{ heartbeatTimeout: Infinity }, 'Option `heartbeatTimeout` must be a whole number of milliseconds (0 for none), from 0 to 2147483647, got Infinity (number)'],
    [{ maxEventLength: '9' }, 'Option `maxEventLength` must be a whole number of characters, from 1, got 9 (string)'],
    [{ retry: 5 }, 'Option `retry` must be an object, got 5 (number)'],
    [{ retry: { initial: 0 } }, 'Option `retry.initial` must be a whole number of milliseconds, from 1 to 2147483647, got 0 (number)'],
    [{ retry: { jitter: 2 } }, 'Option `retry.jitter` must be a number from 0 to 1, got 2 (number)'],
    [{ retry: { jitter: NaN } }, 'Option `retry.jitter` must be a number from 0 to 1, got NaN (number)'],
    [{ retry: { attempts: 1.5 } }, 'Option `retry.attempts` must be a whole number of attempts, from 0, got 1.5 (number)'],
    [{ retry: { delay: 5 } }, 'Option `retry.delay` is not an option here; there are initial, max, jitter, attempts, got 5 (number)'],
    [{ onEvent: 'log' }, 'Option `onEvent` must be a function, got log (string)'],
    [{ toString: 5 }, 'Option `toString` is not an option here; there are method, headers, body, credentials, signal, idempotent, lastEventId, ' +
      'lastEventIdParameter, heartbeatTimeout, maxEventLength, retry, onOpen, onEvent, onReady, onGap, onReset, onError, onState, got 5 (number)']
  ]
  for (const [options, message] of refused) {
    t.throws(() => resolveOptions(options as SseConnectOptions), { code: 'SSE_ERR_OPTION', message })
  }
  t.equal(resolveOptions({ maxEventLength: Infinity }).maxEventLength, Infinity)
})
