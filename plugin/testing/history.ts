import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import type { SseHistory, SsePage } from '../channels/broker.ts'
import { compareIds, epochOf, idBeforeAll } from '../wire/event-id.ts'
import { idsOf, type Cases, type Scene } from './scene.ts'

/** What a page says, with the ids of its entries. */
interface Told {
  readonly ids: string[]
  readonly more: boolean
  readonly known: boolean
  readonly lost: string | undefined
}

const tell = ({ entries, more, known, lost }: SsePage): Told => ({ ids: idsOf(entries), more, known, lost })

async function assertRead (scene: Scene, channel: string, after: string | undefined, expected: Partial<Told>): Promise<void> {
  const page = await scene.read(channel, after)
  assert.deepEqual(tell(page), { ids: [], more: false, known: true, lost: undefined, ...expected }, `after ${after}`)
}

/** Texts that are no id of a log, made from one that is. */
function strangeIds (id: string): string[] {
  const [epoch, time] = id.split('.') as [string, string]
  return [
    // Of another log, or of this one's future.
    `other.${time}`, `${epoch}x.${time}`, `${epoch}.999999999999999-0`,
    // Of none.
    '', ' ', '0', '-1', time, epoch, `${epoch}.`, `.${time}`, `${epoch}.1`, `${epoch}.1-`, `${epoch}.-1-0`, `${epoch}.1-1-1`, `${epoch}.1e3-0`, `${epoch}.0x1-0`,
    ` ${id}`, `${id} `, `${id}\n`, `${id},${id}`, `${epoch.toUpperCase()}É.${time}`, `${epoch}.${'9'.repeat(400)}-0`, 'x'.repeat(100_000),
    // What some store takes for something else.
    '$', '+', '-', '*', '>', '(0-0', '[', '%', '\0', '\n', '🦜', '\uFEFF', '__proto__', 'null', 'undefined', '{}', '"'
  ]
}

export const history: Cases = {
  'a history begins with what was published first': async scene => {
    const channel = scene.channel()
    const ids = await scene.publishMany(channel, 10)
    const before = idBeforeAll(epochOf(ids[0]!)!)
    for (const after of [undefined, before]) {
      const { lost = before, ...told } = tell(await scene.read(channel, after))
      assert.deepEqual(told, { ids, more: false, known: true })
      assert.ok(compareIds(lost, ids[0]!) < 0, `lost up to ${lost}`)
    }
  },

  'a history goes on after an id, and nothing is lost': async scene => {
    const channel = scene.channel()
    const ids = await scene.publishMany(channel, 10)
    for (const [index, id] of ids.entries()) await assertRead(scene, channel, id, { ids: ids.slice(index + 1) })
  },

  'an id of another channel is a place in this one': async scene => {
    const [channel, other] = [scene.channel(), scene.channel()]
    const [first] = await scene.publishMany(channel, 1)
    const [between] = await scene.publishMany(other, 1)
    const [second] = await scene.publishMany(channel, 1)
    await assertRead(scene, channel, between, { ids: [second!] })
    await assertRead(scene, other, first, { ids: [between!] })
    await assertRead(scene, other, second, {})
  },

  'a history is read in pages': async scene => {
    const channel = scene.channel()
    const ids = await scene.publishMany(channel, 10)
    for (const [count, sizes] of [[1, Array(10).fill(1)], [3, [3, 3, 3, 1]], [5, [5, 5]], [9, [9, 1]], [10, [10]], [11, [10]]] as Array<[number, number[]]>) {
      const pages = await scene.readPages(channel, undefined, count, async () => {})
      assert.deepEqual(pages.flatMap(({ entries }) => idsOf(entries)), ids)
      assert.deepEqual(pages.map(({ entries }) => entries.length), sizes)
    }
  },

  'a channel that never was has no history, and nothing of it is lost': async scene => {
    const [id] = await scene.publishMany(scene.channel(), 1)
    await assertRead(scene, scene.channel(), id, {})
    const { entries, more, known } = await scene.read(scene.channel(), undefined)
    assert.deepEqual({ entries, more, known }, { entries: [], more: false, known: true })
  },

  'a page tells the last id that was given, in whatever channel': async scene => {
    const [channel, other] = [scene.channel(), scene.channel()]
    for (const published of [channel, other, channel, other]) {
      const { id } = await scene.publish(published, 'x')
      const { clock } = await scene.read(channel, undefined)
      assert.ok(compareIds(id, clock) <= 0, `${clock}, when ${id} was given`)
      const { id: next } = await scene.publish(published, 'x')
      assert.ok(compareIds(clock, next) < 0, `${clock}, when ${next} was not given`)
    }
  },

  'no more than `count` entries are kept, and who has missed something is told what is lost': async scene => {
    const channel = scene.channel()
    const ids = await scene.publishMany(channel, 10, { count: 3 })
    const [kept, lost] = [ids.slice(7), ids[6]]
    for (const after of [undefined, ...ids.slice(0, 6)]) await assertRead(scene, channel, after, { ids: kept, lost })
    await assertRead(scene, channel, lost, { ids: kept })
    await assertRead(scene, channel, kept[0], { ids: kept.slice(1) })
    const pages = await scene.readPages(channel, ids[0], 2, async () => {})
    assert.deepEqual(pages.map(page => tell(page)), [
      { ids: kept.slice(0, 2), more: true, known: true, lost },
      { ids: kept.slice(2), more: false, known: true, lost: undefined }
    ])
  },

  'no more than `bytes` of text and ids are kept': async scene => {
    const channel = scene.channel()
    const ids: string[] = []
    for (const field of ['data', 'event', 'comment', 'key', 'data', 'event', 'comment', 'key']) {
      const { id } = await scene.publish(channel, { data: '', [field]: 'é'.repeat(500) }, { history: { bytes: 3_500 } })
      ids.push(id)
    }
    await assertRead(scene, channel, ids[0], { ids: ids.slice(5), lost: ids[4] })
    await assertRead(scene, channel, ids[4], { ids: ids.slice(5) })
    const { id } = await scene.publish(channel, 'x'.repeat(4_000), { history: { bytes: 3_500 } })
    await assertRead(scene, channel, ids[0], { lost: id })
  },

  'nothing is kept for longer than `age`': async scene => {
    const [channel, other] = [scene.channel(), scene.channel()]
    const [before, kept] = await scene.publishMany(other, 2)
    const [first] = await scene.publishMany(channel, 1)
    await assertRead(scene, channel, before, { ids: [first!] })
    const [second] = await scene.publishMany(channel, 1, { age: 100 })
    await scene.eventually(() => assertRead(scene, channel, first, { lost: second }))
    await assertRead(scene, channel, second, {})
    const [third] = await scene.publishMany(channel, 1)
    await assertRead(scene, channel, first, { ids: [third!], lost: second })
    await assertRead(scene, channel, second, { ids: [third!] })
    await assertRead(scene, other, before, { ids: [kept!] })
  },

  'an `age` of 0 is no limit': async scene => {
    const channel = scene.channel()
    const ids = await scene.publishMany(channel, 3, { age: 0 })
    await setTimeout(150)
    await assertRead(scene, channel, ids[0], { ids: ids.slice(1) })
  },

  'a `count` of 0 keeps nothing, and says so': async scene => {
    const channel = scene.channel()
    const [before] = await scene.publishMany(scene.channel(), 1)
    const [first, second] = await scene.publishMany(channel, 2, { count: 0 })
    for (const after of [undefined, before, first]) await assertRead(scene, channel, after, { lost: second })
    await assertRead(scene, channel, second, {})
  },

  'the limits of the latest publication hold for all that was there': async scene => {
    const channel = scene.channel()
    const limits: Array<Partial<SseHistory>> = [{}, { count: 4 }, {}, { bytes: 1 }, {}, { count: 0 }]
    const kept: string[][] = []
    const ids: string[] = []
    for (const limit of limits) {
      ids.push(...await scene.publishMany(channel, 5), ...await scene.publishMany(channel, 1, limit))
      kept.push(idsOf((await scene.read(channel, undefined)).entries))
    }
    assert.deepEqual(kept, [[0, 6], [8, 12], [8, 18], [24, 24], [24, 30], [36, 36]].map(([from, to]) => ids.slice(from, to)))
  },

  'what is published elsewhere takes nothing of a history': async scene => {
    const channel = scene.channel()
    const ids = await scene.publishMany(channel, 3, { count: 3 })
    await scene.publishMany(scene.channel(), 10, { count: 0 })
    await assertRead(scene, channel, ids[0], { ids: ids.slice(1) })
  },

  'after what is no id of this log, a history begins with the oldest that there is': async scene => {
    const channel = scene.channel()
    const ids = await scene.publishMany(channel, 6, { count: 4 })
    for (const after of strangeIds(ids[3]!)) {
      await assertRead(scene, channel, after, { ids: ids.slice(2), known: false, lost: ids[1] })
      const { entries, more } = await scene.read(channel, after, 2)
      assert.deepEqual({ ids: idsOf(entries), more }, { ids: ids.slice(2, 4), more: true })
    }
  }
}
