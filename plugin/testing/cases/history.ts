import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import type { SseHistory, SsePage } from '../../channels/broker.ts'
import { compareIds, epochOf, idBeforeAll } from '../../wire/event-id.ts'
import type { BrokerHarness, Cases } from '../broker-harness.ts'
import { idsOf } from '../entries.ts'

/** A page with the ids of its entries, and without its clock. */
interface PageSummary {
  readonly ids: string[]
  readonly more: boolean
  readonly known: boolean
  readonly lost: string | undefined
}

const summarize = ({ entries, more, known, lost }: SsePage): PageSummary => ({ ids: idsOf(entries), more, known, lost })

/** Asserts what a page after an id contains. By default it has no entries, no next page, and nothing is lost. */
async function assertPage (harness: BrokerHarness, channel: string, after: string | undefined, expected: Partial<PageSummary>): Promise<void> {
  const page = await harness.replay(channel, after)
  assert.deepEqual(summarize(page), { ids: [], more: false, known: true, lost: undefined, ...expected }, `after ${after}`)
}

/** Texts that are not an id of the log, derived from one that is. */
function unknownIds (id: string): string[] {
  const [epoch, time] = id.split('.') as [string, string]
  return [
    // Ids of another log, or later than any id.
    `other.${time}`, `${epoch}x.${time}`, `${epoch}.999999999999999-0`,
    // Malformed ids.
    '', ' ', '0', '-1', time, epoch, `${epoch}.`, `.${time}`, `${epoch}.1`, `${epoch}.1-`, `${epoch}.-1-0`, `${epoch}.1-1-1`, `${epoch}.1e3-0`, `${epoch}.0x1-0`,
    ` ${id}`, `${id} `, `${id}\n`, `${id},${id}`, `${epoch.toUpperCase()}É.${time}`, `${epoch}.${'9'.repeat(400)}-0`, 'x'.repeat(100_000),
    // Texts with a special meaning in some stores and languages.
    '$', '+', '-', '*', '>', '(0-0', '[', '%', '\0', '\n', '🦜', '\uFEFF', '__proto__', 'null', 'undefined', '{}', '"'
  ]
}

export const historyCases = {
  'a history starts with the first published event': async harness => {
    const channel = harness.newChannel()
    const ids = await harness.publishMany(channel, 10)
    const before = idBeforeAll(epochOf(ids[0]!)!)
    for (const after of [undefined, before]) {
      const { lost = before, ...page } = summarize(await harness.replay(channel, after))
      assert.deepEqual(page, { ids, more: false, known: true })
      assert.ok(compareIds(lost, ids[0]!) < 0, `entries up to ${lost} are reported as lost`)
    }
  },

  'after an id, a history continues with the next event and nothing is lost': async harness => {
    const channel = harness.newChannel()
    const ids = await harness.publishMany(channel, 10)
    for (const [index, id] of ids.entries()) await assertPage(harness, channel, id, { ids: ids.slice(index + 1) })
  },

  'an id of another channel is a valid position': async harness => {
    const [channel, other] = [harness.newChannel(), harness.newChannel()]
    const [first] = await harness.publishMany(channel, 1)
    const [between] = await harness.publishMany(other, 1)
    const [second] = await harness.publishMany(channel, 1)
    await assertPage(harness, channel, between, { ids: [second!] })
    await assertPage(harness, other, first, { ids: [between!] })
    await assertPage(harness, other, second, {})
  },

  'a page contains at most as many entries as requested, and reports whether there are more': async harness => {
    const channel = harness.newChannel()
    const ids = await harness.publishMany(channel, 10)
    for (const [count, sizes] of [[1, Array(10).fill(1)], [3, [3, 3, 3, 1]], [5, [5, 5]], [9, [9, 1]], [10, [10]], [11, [10]]] as Array<[number, number[]]>) {
      const pages = await harness.replayPages(channel, undefined, count)
      assert.deepEqual(pages.flatMap(({ entries }) => idsOf(entries)), ids)
      assert.deepEqual(pages.map(({ entries }) => entries.length), sizes)
    }
  },

  'an unused channel has an empty history, and nothing is lost': async harness => {
    const [id] = await harness.publishMany(harness.newChannel(), 1)
    await assertPage(harness, harness.newChannel(), id, {})
    const { entries, more, known } = await harness.replay(harness.newChannel(), undefined)
    assert.deepEqual({ entries, more, known }, { entries: [], more: false, known: true })
  },

  'the clock of a page is the last assigned id of all channels': async harness => {
    const [channel, other] = [harness.newChannel(), harness.newChannel()]
    for (const published of [channel, other, channel, other]) {
      const { id } = await harness.publish(published, 'x')
      const { clock } = await harness.replay(channel, undefined)
      assert.ok(compareIds(id, clock) <= 0, `the clock is ${clock} after ${id} was assigned`)
      const { id: next } = await harness.publish(published, 'x')
      assert.ok(compareIds(clock, next) < 0, `the clock is ${clock} before ${next} was assigned`)
    }
  },

  'a history keeps at most `count` entries, and reports the newest one that a client has missed': async harness => {
    const channel = harness.newChannel()
    const ids = await harness.publishMany(channel, 10, { count: 3 })
    const [kept, lost] = [ids.slice(7), ids[6]]
    for (const after of [undefined, ...ids.slice(0, 6)]) await assertPage(harness, channel, after, { ids: kept, lost })
    await assertPage(harness, channel, lost, { ids: kept })
    await assertPage(harness, channel, kept[0], { ids: kept.slice(1) })
    const pages = await harness.replayPages(channel, ids[0], 2)
    assert.deepEqual(pages.map(summarize), [
      { ids: kept.slice(0, 2), more: true, known: true, lost },
      { ids: kept.slice(2), more: false, known: true, lost: undefined }
    ])
  },

  'a history keeps at most `bytes` bytes of ids and text': async harness => {
    const channel = harness.newChannel()
    const ids: string[] = []
    for (const field of ['data', 'event', 'comment', 'key', 'data', 'event', 'comment', 'key']) {
      const { id } = await harness.publish(channel, { data: '', [field]: 'é'.repeat(500) }, { history: { bytes: 3_500 } })
      ids.push(id)
    }
    await assertPage(harness, channel, ids[0], { ids: ids.slice(5), lost: ids[4] })
    await assertPage(harness, channel, ids[4], { ids: ids.slice(5) })
    const { id } = await harness.publish(channel, 'x'.repeat(4_000), { history: { bytes: 3_500 } })
    await assertPage(harness, channel, ids[0], { lost: id })
  },

  'a history keeps no entry for longer than `age`': async harness => {
    const [channel, other] = [harness.newChannel(), harness.newChannel()]
    const [before, kept] = await harness.publishMany(other, 2)
    const [first] = await harness.publishMany(channel, 1)
    await assertPage(harness, channel, before, { ids: [first!] })
    const [second] = await harness.publishMany(channel, 1, { age: 100 })
    await harness.eventually(() => assertPage(harness, channel, first, { lost: second }))
    await assertPage(harness, channel, second, {})
    const [third] = await harness.publishMany(channel, 1)
    await assertPage(harness, channel, first, { ids: [third!], lost: second })
    await assertPage(harness, channel, second, { ids: [third!] })
    await assertPage(harness, other, before, { ids: [kept!] })
  },

  'an `age` of 0 sets no limit': async harness => {
    const channel = harness.newChannel()
    const ids = await harness.publishMany(channel, 3, { age: 0 })
    await setTimeout(150)
    await assertPage(harness, channel, ids[0], { ids: ids.slice(1) })
  },

  'a `count` of 0 keeps no entry, and reports the last one as lost': async harness => {
    const channel = harness.newChannel()
    const [before] = await harness.publishMany(harness.newChannel(), 1)
    const [first, second] = await harness.publishMany(channel, 2, { count: 0 })
    for (const after of [undefined, before, first]) await assertPage(harness, channel, after, { lost: second })
    await assertPage(harness, channel, second, {})
  },

  'the limits of the latest publication apply to the whole history': async harness => {
    const channel = harness.newChannel()
    const limits: Array<Partial<SseHistory>> = [{}, { count: 4 }, {}, { bytes: 1 }, {}, { count: 0 }]
    const kept: string[][] = []
    const ids: string[] = []
    for (const limit of limits) {
      ids.push(...await harness.publishMany(channel, 5), ...await harness.publishMany(channel, 1, limit))
      kept.push(idsOf((await harness.replay(channel, undefined)).entries))
    }
    assert.deepEqual(kept, [[0, 6], [8, 12], [8, 18], [24, 24], [24, 30], [36, 36]].map(([from, to]) => ids.slice(from, to)))
  },

  'events of other channels do not count toward the limits of a history': async harness => {
    const channel = harness.newChannel()
    const ids = await harness.publishMany(channel, 3, { count: 3 })
    await harness.publishMany(harness.newChannel(), 10, { count: 0 })
    await assertPage(harness, channel, ids[0], { ids: ids.slice(1) })
  },

  'after an unknown id, a history starts with its oldest entry': async harness => {
    const channel = harness.newChannel()
    const ids = await harness.publishMany(channel, 6, { count: 4 })
    for (const after of unknownIds(ids[3]!)) {
      await assertPage(harness, channel, after, { ids: ids.slice(2), known: false, lost: ids[1] })
      const { entries, more } = await harness.replay(channel, after, 2)
      assert.deepEqual({ ids: idsOf(entries), more }, { ids: ids.slice(2, 4), more: true })
    }
  }
} satisfies Cases
