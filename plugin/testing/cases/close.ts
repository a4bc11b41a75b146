import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import type { Cases } from '../broker-harness.ts'

const CLOSED = { code: 'SSE_ERR_BROKER_CLOSED' }

export const closeCases = {
  'close may be called more than once': async ({ broker }) => {
    await Promise.all([broker.close(), broker.close()])
    await broker.close()
  },

  'after close, every other method rejects': async harness => {
    const subscriber = await harness.subscribe(harness.newChannel())
    const { channel } = subscriber
    const { id } = await harness.publish(channel, 'x', { idempotencyKey: 'key' })
    await harness.broker.close()
    await assert.rejects(harness.publish(channel, 'x'), CLOSED, 'publish')
    await assert.rejects(harness.publish(channel, 'x', { idempotencyKey: 'key' }), CLOSED, 'publish with a known idempotency key')
    await assert.rejects(harness.subscribe(channel), CLOSED, 'subscribe')
    await assert.rejects(harness.replay(channel, undefined), CLOSED, 'replay')
    await assert.rejects(harness.replay(harness.newChannel(), id), CLOSED, 'replay of an unused channel')
    subscriber.subscription.unsubscribe()
  },

  'close does not wait for pending calls, and no listener is called after it': async harness => {
    const subscriber = await harness.subscribe(harness.newChannel())
    const { channel } = subscriber
    const calls = Array.from({ length: 20 }, () => [harness.publish(channel, 'x'), harness.replay(channel, undefined), harness.subscribe(harness.newChannel())]).flat()
    const settled = Promise.allSettled(calls)
    await harness.broker.close()
    const received = subscriber.entries.length
    await settled
    await setTimeout(50)
    assert.equal(subscriber.entries.length, received)
  },

  'closing one broker does not close another': async harness => {
    const other = await harness.openOther()
    const [closed, open] = [await harness.subscribe(harness.newChannel()), await other.subscribe(harness.newChannel())]
    await harness.broker.close()
    await other.publish(closed.channel, 'x')
    await other.assertReceived(open, [])
    assert.deepEqual(closed.ids, [])
  }
} satisfies Cases
