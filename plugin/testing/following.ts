import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { compareIds, epochOf, idBeforeAll } from '../wire/event-id.ts'
import { rise, type Cases, type Ear } from './scene.ts'

export const following: Cases = {
  'who follows a channel hears everything that is published from then on, once and in order': async scene => {
    const channel = scene.channel()
    await scene.publish(channel, 'too early')
    const ear = await scene.follow(channel)
    const ids = await scene.publishMany(channel, 50)
    const more = await Promise.all(Array.from({ length: 50 }, () => scene.publish(channel, 'at once')))
    await scene.hears(ear, [...ids, ...more.map(({ id }) => id)])
  },

  'who follows a channel hears nothing of other channels': async scene => {
    const [one, other] = [await scene.follow(scene.channel()), await scene.follow(scene.channel())]
    const ids = []
    for (let number = 0; number < 10; number++) {
      ids.push((await scene.publish(one.channel, 'for one')).id)
      await scene.publish(scene.channel(), 'for nobody')
    }
    await scene.hears(other, [])
    await scene.hears(one, ids)
  },

  'all who follow a channel hear the same': async scene => {
    const channel = scene.channel()
    const ears = await Promise.all(Array.from({ length: 3 }, () => scene.follow(channel)))
    const ids = await scene.publishMany(channel, 10)
    await scene.eventually(() => { for (const ear of ears) assert.deepEqual(ear.ids, ids) })
    await scene.hears(ears[2]!, ids)
  },

  'what is not kept is heard all the same': async scene => {
    const ear = await scene.follow(scene.channel())
    await scene.hears(ear, await scene.publishMany(ear.channel, 10, { count: 0 }))
  },

  'who has unsubscribed hears nothing more, and the others do': async scene => {
    const channel = scene.channel()
    const [leaver, stayer] = [await scene.follow(channel), await scene.follow(channel)]
    const ids = await scene.publishMany(channel, 3)
    await scene.eventually(() => { assert.deepEqual(leaver.ids, ids) })
    leaver.subscription.unsubscribe()
    ids.push(...await scene.publishMany(channel, 3))
    leaver.subscription.unsubscribe()
    await scene.hears(stayer, ids)
    assert.deepEqual(leaver.ids, ids.slice(0, 3))
  },

  'who has unsubscribed may come back': async scene => {
    const channel = scene.channel()
    for (let times = 0; times < 3; times++) {
      const ear = await scene.follow(channel)
      await scene.hears(ear, await scene.publishMany(channel, 2))
      ear.subscription.unsubscribe()
    }
  },

  'a listener may unsubscribe itself when it is called': async scene => {
    const channel = scene.channel()
    const once = await scene.follow(channel, () => { once.subscription.unsubscribe() })
    const ear = await scene.follow(channel)
    const ids = await scene.publishMany(channel, 3)
    await scene.hears(ear, ids)
    assert.deepEqual(once.ids, ids.slice(0, 1))
  },

  'a listener may publish when it is called, and all hear that after what it was called for': async scene => {
    const channel = scene.channel()
    const before = await scene.follow(channel)
    const answers: Array<Promise<unknown>> = []
    const ear = await scene.follow(channel, ({ data }) => {
      if (data === 'question') answers.push(Promise.allSettled([scene.publish(channel, 'answer'), scene.publish(channel, 'answer')]))
    })
    const after = await scene.follow(channel)
    const { id } = await scene.publish(channel, 'question')
    await scene.eventually(() => { assert.deepEqual(ear.entries.map(({ data }) => data), ['question', 'answer', 'answer']) })
    await Promise.all(answers)
    assert.ok(rise(ear.ids), ear.ids.join())
    assert.equal(ear.ids[0], id)
    for (const other of [before, after]) await scene.eventually(() => { assert.deepEqual(other.ids, ear.ids) })
  },

  'a position is never before an entry that was given, nor at one that was not yet': async scene => {
    const channel = scene.channel()
    const ears: Ear[] = []
    const notes: Array<{ ear: Ear, heard: number, position: string }> = []
    const look = (): void => {
      for (const ear of ears) notes.push({ ear, heard: ear.entries.length, position: ear.subscription.position })
    }
    for (let number = 0; number < 3; number++) ears.push(await scene.follow(channel, look))
    for (let number = 0; number < 30; number++) {
      const published = [scene.publish(channel, 'x'), scene.publish(scene.channel(), 'elsewhere'), scene.publish(channel, 'x')]
      look()
      await setImmediate()
      look()
      await Promise.all(published)
      look()
    }
    await scene.publish(channel, 'the last')
    for (const { entries } of ears) await scene.eventually(() => { assert.equal(entries.length, 61) })
    for (const { ear, heard, position } of notes) {
      const epoch = epochOf(position)!
      const [given = idBeforeAll(epoch), next = `${epoch}.999999999999999-0`] = [ear.ids[heard - 1], ear.ids[heard]]
      assert.ok(compareIds(given, position) <= 0, `${position}, when ${given} was given`)
      assert.ok(compareIds(position, next) < 0, `${position}, when ${next} was not given`)
    }
  }
}
