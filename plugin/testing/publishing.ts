import assert from 'node:assert/strict'
import type { SsePayload } from '../wire/entry.ts'
import { compareIds, epochOf } from '../wire/event-id.ts'
import { assertEntry, idsOf, rise, type Cases } from './scene.ts'

/** What is easily lost on the way: the empty, the long, and what some parser takes for its own. */
const PAYLOADS: SsePayload[] = [
  { data: 'data', event: 'type', retry: 5_000, comment: 'comment', key: 'key' },
  { data: '' },
  { data: '', event: '', retry: 0, comment: '', key: '' },
  { event: 'no data' },
  { comment: 'nothing but a comment' },
  { data: 'one\ntwo\r\nthree\rfour\n\n', comment: 'one\r\ntwo' },
  { data: ' \t blanks at both ends \t ' },
  { data: '\uFEFFa byte order mark, NUL \0 and \x1B, \u2028, Grüße, 你好, 🦜, e\u0301', event: 'Ереван', comment: '🦜', key: 'ключ' },
  { data: '{"id":"1","data":["\\n",null]}', event: '0', key: 'null' },
  { data: 'undefined', event: 'false' },
  { data: '$1 %s \\r\\n {}[]*?' },
  { data: 'é'.repeat(512 * 1_024) }
]

/** Bytes that a browser sends to another origin only after it was allowed to (Fetch standard). */
// eslint-disable-next-line no-control-regex -- control characters are among them
const UNSAFE = /[\0-\x08\n-\x1f"():<>?@[\\\]{}\x7f-\uffff]/

export const publishing: Cases = {
  'an id is of the documented form': async scene => {
    const { id, repeated } = await scene.publish(scene.channel(), 'x')
    assert.match(id, /^[a-z0-9]{1,32}\.\d{1,15}-\d{1,15}$/)
    assert.equal(repeated, false)
  },

  'an id can be a Last-Event-ID from any origin': async scene => {
    const { id } = await scene.publish(scene.channel(), 'x')
    assert.doesNotMatch(id, UNSAFE)
    assert.ok(id.length <= 128, id)
  },

  'ids rise over all channels': async scene => {
    const channels = Array.from({ length: 5 }, () => scene.channel())
    const ids: string[] = []
    for (let round = 0; round < 20; round++) {
      for (const channel of channels) ids.push((await scene.publish(channel, 'x')).id)
    }
    assert.ok(rise(ids), ids.join())
    assert.equal(new Set(ids.map(epochOf)).size, 1, 'of one epoch')
  },

  'a channel is of the same partition at every broker': async scene => {
    const other = await scene.another()
    for (let number = 0; number < 20; number++) {
      const channel = scene.channel()
      assert.equal(other.broker.partition?.(channel), scene.broker.partition?.(channel), channel)
    }
  },

  'what is published at once keeps its order in each channel, and no id is given twice': async scene => {
    const channels = Array.from({ length: 5 }, () => scene.channel())
    const published = await Promise.all(Array.from({ length: 100 }, (_, number) => channels.map(channel => scene.publish(channel, `${number}`))).flat())
    const ids = published.map(({ id }) => id)
    assert.equal(new Set(ids).size, 500)
    for (const [index, channel] of channels.entries()) {
      const own = ids.filter((_, number) => number % channels.length === index)
      assert.ok(rise(own), own.join())
      const { entries } = await scene.read(channel, undefined)
      assert.deepEqual(idsOf(entries), own)
      assert.deepEqual(entries.map(({ data }) => data), own.map((_, number) => `${number}`))
    }
  },

  'an entry is heard and read as it was published': async scene => {
    const ear = await scene.follow(scene.channel())
    const published = []
    for (const payload of PAYLOADS) published.push({ payload, id: (await scene.publish(ear.channel, payload)).id })
    await scene.hears(ear, published.map(({ id }) => id))
    const { entries } = await scene.read(ear.channel, undefined)
    for (const [index, { payload, id }] of published.entries()) {
      assertEntry(ear.entries[index]!, id, payload)
      assertEntry(entries[index]!, id, payload)
    }
  },

  'the name of a channel may be any text, and another text is another channel': async scene => {
    const stem = scene.channel()
    const names = ['', ' ', 'a', 'A', 'a:b', 'a.b', 'a*', 'a?', '[ab]', '{a}', 'a/b', 'a\\b', '%61', 'é', 'e\u0301', '🦜', '__proto__', 'x'.repeat(255 - stem.length)]
    const ears = await Promise.all(names.map(name => scene.follow(stem + name)))
    const ids = await Promise.all(ears.map(async ({ channel }) => (await scene.publish(channel, channel)).id))
    for (const [index, ear] of ears.entries()) {
      await scene.hears(ear, [ids[index]!])
      assert.equal((await scene.read(ear.channel, undefined)).entries[0]!.data, ear.channel)
    }
  },

  'an id is in the log when it is given': async scene => {
    const channel = scene.channel()
    for (let number = 0; number < 20; number++) {
      const { id } = await scene.publish(channel, 'x')
      const { entries, clock } = await scene.read(channel, undefined)
      assert.equal(entries.at(-1)!.id, id)
      assert.ok(compareIds(id, clock) <= 0, `the clock has got to ${clock}`)
    }
  }
}
