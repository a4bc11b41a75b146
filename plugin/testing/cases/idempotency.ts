import assert from 'node:assert/strict'
import type { SsePayload } from '../../wire/entry.ts'
import type { Cases } from '../broker-harness.ts'
import { idsOf } from '../entries.ts'

const PAYLOAD: SsePayload = { data: 'data', event: 'type', retry: 0, comment: 'comment', key: 'key' }

/** Payloads that differ from PAYLOAD in one field. */
const OTHER_PAYLOADS: SsePayload[] = [
  { ...PAYLOAD, data: 'Data' },
  { ...PAYLOAD, data: undefined },
  { ...PAYLOAD, event: '' },
  { ...PAYLOAD, event: undefined },
  { ...PAYLOAD, retry: undefined },
  { ...PAYLOAD, retry: 1 },
  { ...PAYLOAD, comment: '' },
  { ...PAYLOAD, comment: undefined },
  { ...PAYLOAD, key: '' },
  { ...PAYLOAD, key: undefined }
]

const KEY_USED = { code: 'SSE_ERR_IDEMPOTENCY_KEY' }

export const idempotencyCases = {
  'repeating a publication with the same idempotency key publishes nothing and returns the first id': async harness => {
    const subscriber = await harness.subscribe(harness.newChannel())
    const { channel } = subscriber
    const { id, repeated } = await harness.publish(channel, PAYLOAD, { idempotencyKey: 'once' })
    assert.equal(repeated, false)
    for (let times = 0; times < 3; times++) {
      assert.deepEqual(await harness.publish(channel, PAYLOAD, { idempotencyKey: 'once' }), { id, repeated: true })
    }
    assert.deepEqual(idsOf((await harness.replay(channel, undefined)).entries), [id])
    await harness.assertReceived(subscriber, [id])
  },

  'payloads are the same regardless of the order of their fields and of undefined fields': async harness => {
    const channel = harness.newChannel()
    const { id } = await harness.publish(channel, { data: 'x', event: 'e', comment: 'c' }, { idempotencyKey: 'once' })
    for (const payload of [{ comment: 'c', event: 'e', data: 'x' }, { data: 'x', event: 'e', comment: 'c', retry: undefined, key: undefined }]) {
      assert.deepEqual(await harness.publish(channel, payload, { idempotencyKey: 'once' }), { id, repeated: true })
    }
  },

  'an idempotency key is remembered even if the history does not keep the event': async harness => {
    const channel = harness.newChannel()
    const { id } = await harness.publish(channel, PAYLOAD, { idempotencyKey: 'once', history: { count: 0 } })
    await harness.publishMany(channel, 3, { count: 0 })
    assert.deepEqual(await harness.publish(channel, PAYLOAD, { idempotencyKey: 'once' }), { id, repeated: true })
  },

  'publishing another payload with the same idempotency key rejects': async harness => {
    const channel = harness.newChannel()
    const { id } = await harness.publish(channel, PAYLOAD, { idempotencyKey: 'once' })
    for (const other of OTHER_PAYLOADS) await assert.rejects(harness.publish(channel, other, { idempotencyKey: 'once' }), KEY_USED, JSON.stringify(other))
    assert.deepEqual(idsOf((await harness.replay(channel, undefined)).entries), [id], 'the other payload was not published')
    assert.deepEqual(await harness.publish(channel, PAYLOAD, { idempotencyKey: 'once' }), { id, repeated: true })
  },

  'an idempotency key may be any text, and different texts are different keys': async harness => {
    const channel = harness.newChannel()
    const keys = [' ', '0', 'a', 'A', 'a:b', 'a\nb', 'é', 'e\u0301', '🦜', '__proto__', 'x'.repeat(254), 'x'.repeat(255), undefined, undefined]
    const ids: string[] = []
    for (const idempotencyKey of keys) {
      const { id, repeated } = await harness.publish(channel, PAYLOAD, { idempotencyKey })
      assert.equal(repeated, false, idempotencyKey)
      ids.push(id)
    }
    for (const [index, idempotencyKey] of keys.slice(0, -2).entries()) {
      assert.deepEqual(await harness.publish(channel, PAYLOAD, { idempotencyKey }), { id: ids[index], repeated: true }, idempotencyKey)
    }
    assert.deepEqual(idsOf((await harness.replay(channel, undefined)).entries), ids)
  },

  'an idempotency key is valid for one channel': async harness => {
    const channel = harness.newChannel()
    for (const [name, idempotencyKey] of [['', 'a'], ['a', 'a'], ['a:b', 'c'], ['a', 'b:c'], ['a/b', 'c'], ['a', 'b/c'], ['a', 'b\nc'], ['a.b', 'c'], ['a', 'b.c']] as const) {
      const { repeated } = await harness.publish(channel + name, idempotencyKey, { idempotencyKey })
      assert.equal(repeated, false, `${idempotencyKey} in ${name}`)
    }
  },

  'concurrent publications with the same idempotency key publish one event': async harness => {
    const subscriber = await harness.subscribe(harness.newChannel())
    const published = await Promise.all(Array.from({ length: 20 }, () => harness.publish(subscriber.channel, PAYLOAD, { idempotencyKey: 'once' })))
    const ids = new Set(published.map(({ id }) => id))
    assert.equal(ids.size, 1)
    assert.equal(published.filter(({ repeated }) => !repeated).length, 1)
    await harness.assertReceived(subscriber, Array.from(ids))
  },

  'a listener may repeat the publication for which it is called': async harness => {
    const channel = harness.newChannel()
    const repeats: Array<Promise<unknown>> = []
    const subscriber = await harness.subscribe(channel, () => {
      // A broker that published it again would call the listener again, without end.
      if (repeats.length === 0) repeats.push(Promise.allSettled([harness.publish(channel, PAYLOAD, { idempotencyKey: 'once' })]))
    })
    const { id } = await harness.publish(channel, PAYLOAD, { idempotencyKey: 'once' })
    await harness.eventually(() => { assert.deepEqual(subscriber.ids, [id]) })
    assert.deepEqual(await repeats[0], [{ status: 'fulfilled', value: { id, repeated: true } }])
  }
} satisfies Cases
