import t from 'tap'
import { assertIdempotencyKey, payloadOf, type PayloadFields } from '../../plugin/channels/payload.ts'

t.test('a payload has the fields of its event, and data as text', async t => {
  const fields: PayloadFields = { event: 'tick', retry: 5, comment: 'c', key: 'k' }
  t.strictSame(payloadOf({ price: 1 }, fields, JSON.stringify), { data: '{"price":1}', ...fields })
  t.strictSame(payloadOf('text', undefined, JSON.stringify), { data: 'text', event: undefined, retry: undefined, comment: undefined, key: undefined })
  t.equal(payloadOf(null, {}, JSON.stringify).data, 'null')
  t.equal(payloadOf('', {}, JSON.stringify).data, '')
})

t.test('a string is not serialized, any other data is', async t => {
  const serialized: unknown[] = []
  const serializer = (data: unknown): string => {
    serialized.push(data)
    return 'serialized'
  }
  t.equal(payloadOf('text', {}, serializer).data, 'text')
  t.equal(payloadOf(7, {}, serializer).data, 'serialized')
  t.strictSame(serialized, [7])
})

t.test('an empty event type is the default type', async t => {
  t.equal(payloadOf('x', { event: '' }, JSON.stringify).event, undefined)
})

t.test('an event that could not be written to a client is rejected', async t => {
  const circular: Record<string, unknown> = {}
  circular.self = circular
  const rows: Array<[data: unknown, fields: object, code: string, message: RegExp]> = [
    ['x', { event: 'a\nb' }, 'SSE_ERR_EVENT', /`event` must be a single line/],
    ['x', { event: 'sse-ready' }, 'SSE_ERR_EVENT', /are reserved/],
    ['x', { id: '7' }, 'SSE_ERR_EVENT', /`id` must not be set on a published event/],
    ['x', { id: undefined }, 'SSE_ERR_EVENT', /`id` must not be set on a published event/],
    ['x', { retry: -1 }, 'SSE_ERR_EVENT', /`retry` must be/],
    ['x', { comment: 7 }, 'SSE_ERR_EVENT', /`comment` must be/],
    ['x', { key: 7 }, 'SSE_ERR_EVENT', /`key` must be a string$/],
    ['x', { key: 'k', name: 'y' }, 'SSE_ERR_EVENT', /Unknown event field `name`/],
    ['x', { idempotencyKey: 'y' }, 'SSE_ERR_EVENT', /Unknown event field `idempotencyKey`/],
    [undefined, { event: 'e' }, 'SSE_ERR_EVENT', /must have data/],
    [circular, {}, 'SSE_ERR_SERIALIZE', /could not be serialized$/],
    [() => {}, {}, 'SSE_ERR_SERIALIZE', /could not be serialized$/]
  ]
  for (const [data, fields, code, message] of rows) t.throws(() => payloadOf(data, fields, JSON.stringify), { code, message }, String(message))
})

t.test('an idempotency key is a string of 1 to 255 characters, or undefined', async t => {
  for (const key of ['x', 'x'.repeat(255), undefined]) t.doesNotThrow(() => assertIdempotencyKey(key))
  for (const key of ['', 'x'.repeat(256), 7, null]) {
    t.throws(() => assertIdempotencyKey(key), { code: 'SSE_ERR_EVENT', message: /^An idempotency key must be a string of 1 to 255 characters$/, detail: /^received / })
  }
})
