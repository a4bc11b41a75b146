import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import type { Cases } from './scene.ts'

const CLOSED = { code: 'SSE_ERR_BROKER_CLOSED' }

export const closing: Cases = {
  'close may be called twice': async ({ broker }) => {
    await Promise.all([broker.close(), broker.close()])
    await broker.close()
  },

  'after close every method rejects': async scene => {
    const ear = await scene.follow(scene.channel())
    const { id } = await scene.publish(ear.channel, 'x', { idempotencyKey: 'once' })
    await scene.broker.close()
    await assert.rejects(scene.publish(ear.channel, 'x'), CLOSED, 'publish')
    await assert.rejects(scene.publish(ear.channel, 'x', { idempotencyKey: 'once' }), CLOSED, 'publish, again')
    await assert.rejects(scene.follow(ear.channel), CLOSED, 'subscribe')
    await assert.rejects(scene.read(ear.channel, undefined), CLOSED, 'replay')
    await assert.rejects(scene.read(scene.channel(), id), CLOSED, 'replay of another channel')
    ear.subscription.unsubscribe()
  },

  'close waits for nobody, and after it no listener is called': async scene => {
    const ear = await scene.follow(scene.channel())
    const calls = Array.from({ length: 20 }, () => [scene.publish(ear.channel, 'x'), scene.read(ear.channel, undefined), scene.follow(scene.channel())]).flat()
    const settled = Promise.allSettled(calls)
    await scene.broker.close()
    const heard = ear.entries.length
    await settled
    await setTimeout(50)
    assert.equal(ear.entries.length, heard)
  },

  'another broker stays open when one is closed': async scene => {
    const other = await scene.another()
    const [ear, still] = [await scene.follow(scene.channel()), await other.follow(scene.channel())]
    await scene.broker.close()
    await other.publish(ear.channel, 'x')
    await other.hears(still, [])
    assert.deepEqual(ear.ids, [])
  }
}
