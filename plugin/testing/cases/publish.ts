import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import type { SsePayload } from '../../wire/entry.ts'
import { compareIds, epochOf } from '../../wire/event-id.ts'
import { UNLIMITED, type Cases } from '../broker-harness.ts'
import { assertEntry, assertRising, idsOf } from '../entries.ts'

/** Values that brokers may lose or change: empty and long ones, and those with a special meaning in some format. */
const PAYLOADS: SsePayload[] = [
  { data: 'data', event: 'type', retry: 5_000, comment: 'comment', key: 'key' },
  { data: '' },
  { data: '', event: '', retry: 0, comment: '', key: '' },
  { event: 'no data' },
  { comment: 'only a comment' },
  { data: 'one\ntwo\r\nthree\rfour\n\n', comment: 'one\r\ntwo' },
  { data: ' \t white space at both ends \t ' },
  { data: '\uFEFFa byte order mark, NUL \0 and \x1B, \u2028, Grüße, 你好, 🦜, e\u0301', event: 'Ереван', comment: '🦜', key: 'ключ' },
  { data: '{"id":"1","data":["\\n",null]}', event: '0', key: 'null' },
  { data: 'undefined', event: 'false' },
  { data: '$1 %s \\r\\n {}[]*?' },
  { data: 'é'.repeat(512 * 1_024) }
]

/** Values that are no payload, or cannot be sent to clients. */
const INVALID_PAYLOADS: unknown[] = [
  undefined, null, 'x', {}, { key: 'k' }, { data: 5 }, { data: null }, { data: {} }, { data: 'x', event: 'a\nb' }, { data: 'x', event: 'a\0' },
  { data: 'x', event: 'sse-ready' }, { data: 'x', retry: -1 }, { data: 'x', retry: 1.5 }, { data: 'x', comment: 5 }, { data: 'x', key: 5 }
]

/** Bytes that require a preflight in a `Last-Event-ID` header (Fetch standard, "CORS-unsafe request-header byte"). */
// eslint-disable-next-line no-control-regex -- control characters are among them
const UNSAFE = /[\0-\x08\n-\x1f"():<>?@[\\\]{}\x7f-\uffff]/

export const publishCases = {
  'an id has the form `<epoch>.<ms>-<seq>`': async harness => {
    const { id, repeated } = await harness.publish(harness.newChannel(), 'x')
    assert.match(id, /^[a-z0-9]{1,32}\.\d{1,15}-\d{1,15}$/)
    assert.equal(repeated, false)
  },

  'an id is valid in a Last-Event-ID header of a cross-origin request without a preflight': async harness => {
    const { id } = await harness.publish(harness.newChannel(), 'x')
    assert.doesNotMatch(id, UNSAFE)
    assert.ok(id.length <= 128, id)
  },

  'ids rise across all channels': async harness => {
    const channels = Array.from({ length: 5 }, () => harness.newChannel())
    const ids: string[] = []
    for (let round = 0; round < 20; round++) {
      for (const channel of channels) ids.push((await harness.publish(channel, 'x')).id)
    }
    assertRising(ids)
    assert.equal(new Set(ids.map(epochOf)).size, 1, 'all ids have the same epoch')
  },

  'a channel belongs to the same partition in every broker': async harness => {
    const other = await harness.openOther()
    for (let count = 0; count < 20; count++) {
      const channel = harness.newChannel()
      assert.equal(other.broker.partition?.(channel), harness.broker.partition?.(channel), channel)
    }
  },

  'concurrent publications keep their order in each channel, and have different ids': async harness => {
    const channels = Array.from({ length: 5 }, () => harness.newChannel())
    const published = await Promise.all(Array.from({ length: 100 }, (_, number) => channels.map(channel => harness.publish(channel, `${number}`))).flat())
    const ids = published.map(({ id }) => id)
    assert.equal(new Set(ids).size, 500)
    for (const [index, channel] of channels.entries()) {
      const own = ids.filter((_, number) => number % channels.length === index)
      assertRising(own)
      const { entries } = await harness.replay(channel, undefined)
      assert.deepEqual(idsOf(entries), own)
      assert.deepEqual(entries.map(({ data }) => data), own.map((_, number) => `${number}`))
    }
  },

  'subscribers and pages receive an entry exactly as it was published': async harness => {
    const subscriber = await harness.subscribe(harness.newChannel())
    const published = []
    for (const payload of PAYLOADS) published.push({ payload, id: (await harness.publish(subscriber.channel, payload)).id })
    await harness.assertReceived(subscriber, published.map(({ id }) => id))
    const { entries } = await harness.replay(subscriber.channel, undefined)
    for (const [index, { payload, id }] of published.entries()) {
      assertEntry(subscriber.entries[index]!, id, payload)
      assertEntry(entries[index]!, id, payload)
    }
  },

  'a payload that cannot be sent is refused with SSE_ERR_EVENT, and nothing is published': async harness => {
    const subscriber = await harness.subscribe(harness.newChannel())
    for (const payload of INVALID_PAYLOADS) {
      await assert.rejects(harness.broker.publish(subscriber.channel, payload as SsePayload, { history: UNLIMITED }), { code: 'SSE_ERR_EVENT' }, inspect(payload))
      await assert.rejects(harness.broker.publish(subscriber.channel, payload as SsePayload, { history: UNLIMITED, idempotencyKey: 'key' }), { code: 'SSE_ERR_EVENT' }, inspect(payload))
    }
    assert.deepEqual((await harness.replay(subscriber.channel, undefined)).entries, [])
    const { id, repeated } = await harness.publish(subscriber.channel, 'x', { idempotencyKey: 'key' })
    assert.equal(repeated, false, 'the key was not used')
    await harness.assertReceived(subscriber, [id])
  },

  'a channel name may be any text, and different texts are different channels': async harness => {
    const base = harness.newChannel()
    const names = ['', ' ', 'a', 'A', 'a:b', 'a.b', 'a*', 'a?', '[ab]', '{a}', 'a/b', 'a\\b', '%61', 'é', 'e\u0301', '🦜', '__proto__', 'x'.repeat(255 - base.length)]
    const subscribers = await Promise.all(names.map(name => harness.subscribe(base + name)))
    const ids = await Promise.all(subscribers.map(async ({ channel }) => (await harness.publish(channel, channel)).id))
    for (const [index, subscriber] of subscribers.entries()) {
      await harness.assertReceived(subscriber, [ids[index]!])
      assert.equal((await harness.replay(subscriber.channel, undefined)).entries[0]!.data, subscriber.channel)
    }
  },

  'an entry is in the log when publish resolves': async harness => {
    const channel = harness.newChannel()
    for (let count = 0; count < 20; count++) {
      const { id } = await harness.publish(channel, 'x')
      const { entries, clock } = await harness.replay(channel, undefined)
      assert.equal(entries.at(-1)!.id, id)
      assert.ok(compareIds(id, clock) <= 0, `the clock is ${clock} after ${id} was assigned`)
    }
  }
} satisfies Cases
