import t, { type Test } from 'tap'
import { IdempotencyKeys } from '../../plugin/channels/idempotency-keys.ts'
import type { SsePayload } from '../../plugin/wire/entry.ts'
import { mockClock } from '../fixtures/clock.ts'

const MINUTE = 60_000

function setup (t: Test) {
  const { clock } = mockClock(t)
  const keys = new IdempotencyKeys()
  let published = 0
  const publish = (channel: string, key: string, payload: SsePayload = { data: 'x' }) => keys.publishOnce(channel, key, payload, () => `e.${++published}-0`)
  return { keys, clock, publish }
}

t.test('a key publishes once and then returns the first id', async t => {
  const { publish } = setup(t)
  t.strictSame(publish('a', 'key'), { id: 'e.1-0', repeated: false })
  t.strictSame(publish('a', 'key'), { id: 'e.1-0', repeated: true })
  t.strictSame(publish('a', 'other key'), { id: 'e.2-0', repeated: false })
})

t.test('the same key on another channel is another key', async t => {
  const { publish } = setup(t)
  t.equal(publish('a', 'key').repeated, false)
  t.equal(publish('b', 'key').repeated, false)
})

t.test('a key is rejected for a different payload', async t => {
  const { publish } = setup(t)
  for (const [index, data] of ['short', 'x'.repeat(1_000)].entries()) {
    const key = String(index)
    const payload: SsePayload = { data, event: 'e', retry: 1, comment: 'c', key: 'k' }
    publish('a', key, payload)
    t.equal(publish('a', key, { key: 'k', comment: 'c', retry: 1, event: 'e', data }).repeated, true, 'the order of fields is irrelevant')
    for (const other of [{ data: `${data}y` }, { event: 'f' }, { retry: 2 }, { comment: 'd' }, { key: 'l' }, { key: undefined }]) {
      t.throws(() => publish('a', key, { ...payload, ...other }), { code: 'SSE_ERR_IDEMPOTENCY_KEY' }, JSON.stringify(other))
    }
  }
})

t.test('a key can be used again after publishing failed', async t => {
  const { keys, publish } = setup(t)
  t.throws(() => keys.publishOnce('a', 'key', { data: 'x' }, () => { throw new Error('full') }), { message: 'full' })
  t.equal(publish('a', 'key').repeated, false)
})

t.test('a key expires after ten minutes', async t => {
  const { clock, publish } = setup(t)
  publish('a', 'first')
  clock.advance(MINUTE)
  publish('a', 'second')
  clock.advance(9 * MINUTE - 1)
  t.equal(publish('a', 'first').repeated, true)
  clock.advance(1)
  t.equal(publish('a', 'first').repeated, false)
  t.equal(publish('a', 'second').repeated, true)
})

t.test('the latest 100,000 keys are remembered', async t => {
  const { publish } = setup(t)
  for (let number = 0; number < 100_000; number++) publish('a', `${number}`)
  t.equal(publish('a', '0').repeated, true)
  publish('a', 'one more')
  t.equal(publish('a', '1').repeated, true)
  t.equal(publish('a', '0').repeated, false)
})

t.test('no key is remembered after clear()', async t => {
  const { keys, publish } = setup(t)
  publish('a', 'key')
  keys.clear()
  t.equal(publish('a', 'key').repeated, false)
})
