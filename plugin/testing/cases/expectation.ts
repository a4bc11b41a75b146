import assert from 'node:assert/strict'
import type { Cases } from '../broker-harness.ts'
import { idsOf } from '../entries.ts'

const UNEXPECTED = { code: 'SSE_ERR_PRECONDITION' }

export const expectationCases = {
  'an event that expects the last id of its channel is published': async harness => {
    const channel = harness.newChannel()
    const ids = await harness.publishMany(channel, 3)
    await harness.publish(harness.newChannel(), 'in another channel')
    ids.push((await harness.publish(channel, 'x', { expectedLastId: ids[2] })).id)
    assert.deepEqual(idsOf((await harness.replay(channel, undefined)).entries), ids)
  },

  'an event that expects another last id is not published': async harness => {
    const subscriber = await harness.subscribe(harness.newChannel())
    const { channel } = subscriber
    const { id: elsewhere } = await harness.publish(harness.newChannel(), 'x')
    await assert.rejects(harness.publish(channel, 'x', { expectedLastId: elsewhere }), UNEXPECTED, 'in an empty channel')
    const ids = await harness.publishMany(channel, 3)
    for (const expectedLastId of [ids[0], ids[1], elsewhere]) await assert.rejects(harness.publish(channel, 'x', { expectedLastId }), UNEXPECTED)
    assert.deepEqual(idsOf((await harness.replay(channel, undefined)).entries), ids)
    await harness.assertReceived(subscriber, ids)
  },

  'the last id of a channel is known even if the history does not keep the event': async harness => {
    const channel = harness.newChannel()
    const { id: first } = await harness.publish(channel, 'x', { history: { count: 0 } })
    const { id: second } = await harness.publish(channel, 'x', { history: { count: 0 }, expectedLastId: first })
    await assert.rejects(harness.publish(channel, 'x', { expectedLastId: first }), UNEXPECTED)
    await harness.publish(channel, 'x', { expectedLastId: second })
  },

  'of concurrent publications that expect the same last id, one is published': async harness => {
    const channel = harness.newChannel()
    const { id: expectedLastId } = await harness.publish(channel, 'x')
    const published = await Promise.allSettled(Array.from({ length: 20 }, (_, number) => harness.publish(channel, `${number}`, { expectedLastId })))
    assert.equal(published.filter(({ status }) => status === 'fulfilled').length, 1)
    assert.equal((await harness.replay(channel, undefined)).entries.length, 2)
  },

  'an event that was published under its idempotency key is repeated, whatever last id it expects': async harness => {
    const channel = harness.newChannel()
    const { id: expectedLastId } = await harness.publish(channel, 'x')
    const { id } = await harness.publish(channel, 'y', { idempotencyKey: 'once', expectedLastId })
    assert.deepEqual(await harness.publish(channel, 'y', { idempotencyKey: 'once', expectedLastId }), { id, repeated: true })
    await assert.rejects(harness.publish(channel, 'z', { idempotencyKey: 'other', expectedLastId }), UNEXPECTED)
    assert.equal((await harness.publish(channel, 'z', { idempotencyKey: 'other' })).repeated, false, 'the key was not used')
  }
} satisfies Cases
