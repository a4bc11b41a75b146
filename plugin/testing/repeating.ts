import assert from 'node:assert/strict'
import type { SsePayload } from '../wire/entry.ts'
import { idsOf, type Cases } from './scene.ts'

const PAYLOAD: SsePayload = { data: 'data', event: 'type', retry: 0, comment: 'comment', key: 'key' }

/** Each differs from it in one field. */
const OTHERS: SsePayload[] = [
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

const OTHER_PAYLOAD = { code: 'SSE_ERR_IDEMPOTENCY_KEY' }

export const repeating: Cases = {
  'what is published again under the same idempotency key is published once': async scene => {
    const ear = await scene.follow(scene.channel())
    const { id, repeated } = await scene.publish(ear.channel, PAYLOAD, { idempotencyKey: 'once' })
    assert.equal(repeated, false)
    for (let times = 0; times < 3; times++) {
      assert.deepEqual(await scene.publish(ear.channel, PAYLOAD, { idempotencyKey: 'once' }), { id, repeated: true })
    }
    assert.deepEqual(idsOf((await scene.read(ear.channel, undefined)).entries), [id])
    await scene.hears(ear, [id])
  },

  'a payload is the same whatever the order of its fields, and with those that are undefined': async scene => {
    const channel = scene.channel()
    const { id } = await scene.publish(channel, { data: 'x', event: 'e', comment: 'c' }, { idempotencyKey: 'once' })
    for (const payload of [{ comment: 'c', event: 'e', data: 'x' }, { data: 'x', event: 'e', comment: 'c', retry: undefined, key: undefined }]) {
      assert.deepEqual(await scene.publish(channel, payload, { idempotencyKey: 'once' }), { id, repeated: true })
    }
  },

  'an idempotency key is remembered when nothing of the history is kept': async scene => {
    const channel = scene.channel()
    const { id } = await scene.publish(channel, PAYLOAD, { idempotencyKey: 'once', history: { count: 0 } })
    await scene.publishMany(channel, 3, { count: 0 })
    assert.deepEqual(await scene.publish(channel, PAYLOAD, { idempotencyKey: 'once' }), { id, repeated: true })
  },

  'another payload under the same idempotency key is refused': async scene => {
    const channel = scene.channel()
    const { id } = await scene.publish(channel, PAYLOAD, { idempotencyKey: 'once' })
    for (const other of OTHERS) await assert.rejects(scene.publish(channel, other, { idempotencyKey: 'once' }), OTHER_PAYLOAD, JSON.stringify(other))
    assert.deepEqual(idsOf((await scene.read(channel, undefined)).entries), [id], 'and was not published')
    assert.deepEqual(await scene.publish(channel, PAYLOAD, { idempotencyKey: 'once' }), { id, repeated: true })
  },

  'an idempotency key may be any text, and another text is another key': async scene => {
    const channel = scene.channel()
    const keys = [' ', '0', 'a', 'A', 'a:b', 'a\nb', 'é', 'e\u0301', '🦜', '__proto__', 'x'.repeat(254), 'x'.repeat(255), undefined, undefined]
    const ids: string[] = []
    for (const idempotencyKey of keys) {
      const { id, repeated } = await scene.publish(channel, PAYLOAD, { idempotencyKey })
      assert.equal(repeated, false, idempotencyKey)
      ids.push(id)
    }
    for (const [index, idempotencyKey] of keys.slice(0, -2).entries()) {
      assert.deepEqual(await scene.publish(channel, PAYLOAD, { idempotencyKey }), { id: ids[index], repeated: true }, idempotencyKey)
    }
    assert.deepEqual(idsOf((await scene.read(channel, undefined)).entries), ids)
  },

  'an idempotency key is of its channel': async scene => {
    const channel = scene.channel()
    for (const [name, idempotencyKey] of [['', 'a'], ['a', 'a'], ['a:b', 'c'], ['a', 'b:c'], ['a/b', 'c'], ['a', 'b/c'], ['a', 'b\nc'], ['a.b', 'c'], ['a', 'b.c']] as const) {
      const { repeated } = await scene.publish(channel + name, idempotencyKey, { idempotencyKey })
      assert.equal(repeated, false, `${idempotencyKey} in ${name}`)
    }
  },

  'what is published several times at once under one idempotency key is published once': async scene => {
    const ear = await scene.follow(scene.channel())
    const published = await Promise.all(Array.from({ length: 20 }, () => scene.publish(ear.channel, PAYLOAD, { idempotencyKey: 'once' })))
    const ids = new Set(published.map(({ id }) => id))
    assert.equal(ids.size, 1)
    assert.equal(published.filter(({ repeated }) => !repeated).length, 1)
    await scene.hears(ear, Array.from(ids))
  },

  'a listener may repeat what it is called for': async scene => {
    const channel = scene.channel()
    const repeats: Array<Promise<unknown>> = []
    const ear = await scene.follow(channel, () => {
      // One that took it for another would have it repeated for ever.
      if (repeats.length === 0) repeats.push(Promise.allSettled([scene.publish(channel, PAYLOAD, { idempotencyKey: 'once' })]))
    })
    const { id } = await scene.publish(channel, PAYLOAD, { idempotencyKey: 'once' })
    await scene.eventually(() => { assert.deepEqual(ear.ids, [id]) })
    assert.deepEqual(await repeats[0], [{ status: 'fulfilled', value: { id, repeated: true } }])
  }
}
