import t from 'tap'
import { resolveOptions } from '../../plugin/base/options.ts'
import { STREAM_CHECKS, STREAM_DEFAULTS } from '../../plugin/stream/options.ts'
import { detailed } from '../fixtures/detailed.ts'

t.test('the default serializer is JSON.stringify', async t => {
  t.equal(STREAM_DEFAULTS.serializer({ a: 1 }), '{"a":1}')
})

t.test('an invalid value throws an error with the option, the rule and the value', async t => {
  const rows: Array<[object, string]> = [
    [{ timeout: -1 }, 'Option `timeout` must be a non-negative integer of milliseconds (0 disables it); received -1'],
    [{ heartbeat: '15s' }, 'Option `heartbeat` must be a non-negative integer of milliseconds (0 disables it); received "15s"'],
    [{ heartbeat: Infinity }, 'Option `heartbeat` must be a non-negative integer of milliseconds (0 disables it); received Infinity'],
    [{ heartbeatEvent: '' }, 'Option `heartbeatEvent` must be an event type, a non-empty string on one line; received ""'],
    [{ heartbeatEvent: 'a\nb' }, 'Option `heartbeatEvent` must be an event type, a non-empty string on one line; received "a\\nb"'],
    [{ retry: 1.5 }, 'Option `retry` must be a non-negative integer of milliseconds; received 1.5'],
    [{ maxBuffered: 1_023 }, 'Option `maxBuffered` must be an integer of at least 1024 bytes; received 1023'],
    [{ overflow: 'keep' }, 'Option `overflow` must be \'close\' or \'drop\' or \'latest\'; received "keep"'],
    [{ stallTimeout: 0 }, 'Option `stallTimeout` must be a positive integer of milliseconds; received 0'],
    [{ serializer: 'json' }, 'Option `serializer` must be a function; received "json"'],
    [{ spaceAfterColon: 1 }, 'Option `spaceAfterColon` must be true or false; received 1']
  ]
  for (const [options, message] of rows) {
    t.throws(() => resolveOptions('a stream', options, STREAM_DEFAULTS, STREAM_CHECKS), { code: 'SSE_ERR_OPTION', ...detailed(message) })
  }
})

t.test('a stream expires at a Date or at milliseconds since 1970', async t => {
  const resolve = (expiresAt: unknown): unknown => resolveOptions('a stream', { expiresAt }, STREAM_DEFAULTS, STREAM_CHECKS).expiresAt
  t.equal(resolve(2e12), 2e12)
  t.equal(resolve(new Date(2e12)), 2e12)
  const seconds = 1_764_000_000
  for (const value of [seconds, new Date(seconds), 0, -1]) t.throws(() => resolve(value), { ...detailed(`Option \`expiresAt\` must be a Date or milliseconds since 1970, not seconds; received ${String(value)}`) })
  for (const value of [new Date(NaN), NaN, Infinity, '5', null]) t.throws(() => resolve(value), { message: /^Option `expiresAt` must be a Date or milliseconds since 1970$/, detail: /^received / })
})
