import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { compareIds, epochOf, idBeforeAll } from '../../wire/event-id.ts'
import type { Cases } from '../broker-harness.ts'
import { assertRising } from '../entries.ts'
import type { RecordingSubscriber } from '../recording-subscriber.ts'

export const subscribeCases = {
  'a subscriber receives every event that is published later, once and in order': async harness => {
    const channel = harness.newChannel()
    await harness.publish(channel, 'too early')
    const subscriber = await harness.subscribe(channel)
    const ids = await harness.publishMany(channel, 50)
    const concurrent = await Promise.all(Array.from({ length: 50 }, () => harness.publish(channel, 'concurrent')))
    await harness.assertReceived(subscriber, [...ids, ...concurrent.map(({ id }) => id)])
  },

  'a subscriber receives no events of other channels': async harness => {
    const [subscriber, other] = [await harness.subscribe(harness.newChannel()), await harness.subscribe(harness.newChannel())]
    const ids = []
    for (let count = 0; count < 10; count++) {
      ids.push((await harness.publish(subscriber.channel, 'x')).id)
      await harness.publish(harness.newChannel(), 'without subscribers')
    }
    await harness.assertReceived(other, [])
    await harness.assertReceived(subscriber, ids)
  },

  'all subscribers of a channel receive the same events': async harness => {
    const channel = harness.newChannel()
    const subscribers = await Promise.all(Array.from({ length: 3 }, () => harness.subscribe(channel)))
    const ids = await harness.publishMany(channel, 10)
    await harness.eventually(() => { for (const subscriber of subscribers) assert.deepEqual(subscriber.ids, ids) })
    await harness.assertReceived(subscribers[2]!, ids)
  },

  'a subscriber receives events that the history does not keep': async harness => {
    const subscriber = await harness.subscribe(harness.newChannel())
    await harness.assertReceived(subscriber, await harness.publishMany(subscriber.channel, 10, { count: 0 }))
  },

  'after unsubscribing, a listener receives nothing and other subscribers still receive everything': async harness => {
    const channel = harness.newChannel()
    const [leaving, staying] = [await harness.subscribe(channel), await harness.subscribe(channel)]
    const ids = await harness.publishMany(channel, 3)
    await harness.eventually(() => { assert.deepEqual(leaving.ids, ids) })
    leaving.subscription.unsubscribe()
    ids.push(...await harness.publishMany(channel, 3))
    leaving.subscription.unsubscribe()
    await harness.assertReceived(staying, ids)
    assert.deepEqual(leaving.ids, ids.slice(0, 3))
  },

  'a channel can be subscribed to again after the last subscriber has left': async harness => {
    const channel = harness.newChannel()
    for (let times = 0; times < 3; times++) {
      const subscriber = await harness.subscribe(channel)
      await harness.assertReceived(subscriber, await harness.publishMany(channel, 2))
      subscriber.subscription.unsubscribe()
    }
  },

  'a listener may unsubscribe itself while it is called': async harness => {
    const channel = harness.newChannel()
    const once = await harness.subscribe(channel, () => { once.subscription.unsubscribe() })
    const other = await harness.subscribe(channel)
    const ids = await harness.publishMany(channel, 3)
    await harness.assertReceived(other, ids)
    assert.deepEqual(once.ids, ids.slice(0, 1))
  },

  'a listener may publish while it is called, and all subscribers receive its events after the current one': async harness => {
    const channel = harness.newChannel()
    const earlier = await harness.subscribe(channel)
    const answers: Array<Promise<unknown>> = []
    const answering = await harness.subscribe(channel, ({ data }) => {
      if (data === 'question') answers.push(Promise.allSettled([harness.publish(channel, 'answer'), harness.publish(channel, 'answer')]))
    })
    const later = await harness.subscribe(channel)
    const { id } = await harness.publish(channel, 'question')
    await harness.eventually(() => { assert.deepEqual(answering.entries.map(({ data }) => data), ['question', 'answer', 'answer']) })
    await Promise.all(answers)
    assertRising(answering.ids)
    assert.equal(answering.ids[0], id)
    for (const other of [earlier, later]) await harness.eventually(() => { assert.deepEqual(other.ids, answering.ids) })
  },

  'a position is never before a delivered entry, and never at or after an undelivered one': async harness => {
    const channel = harness.newChannel()
    const subscribers: RecordingSubscriber[] = []
    const observations: Array<{ subscriber: RecordingSubscriber, received: number, position: string }> = []
    const observe = (): void => {
      for (const subscriber of subscribers) observations.push({ subscriber, received: subscriber.entries.length, position: subscriber.subscription.position })
    }
    for (let count = 0; count < 3; count++) subscribers.push(await harness.subscribe(channel, observe))
    for (let round = 0; round < 30; round++) {
      const published = [harness.publish(channel, 'x'), harness.publish(harness.newChannel(), 'elsewhere'), harness.publish(channel, 'x')]
      observe()
      await setImmediate()
      observe()
      await Promise.all(published)
      observe()
    }
    await harness.publish(channel, 'last')
    for (const { entries } of subscribers) await harness.eventually(() => { assert.equal(entries.length, 61) })
    for (const { subscriber, received, position } of observations) {
      const epoch = epochOf(position)!
      const [delivered = idBeforeAll(epoch), undelivered = `${epoch}.999999999999999-0`] = [subscriber.ids[received - 1], subscriber.ids[received]]
      assert.ok(compareIds(delivered, position) <= 0, `position ${position} after ${delivered} was delivered`)
      assert.ok(compareIds(position, undelivered) < 0, `position ${position} before ${undelivered} was delivered`)
    }
  }
} satisfies Cases
