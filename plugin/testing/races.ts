import assert from 'node:assert/strict'
import { compareIds } from '../wire/event-id.ts'
import type { Random } from './random.ts'
import { assertEntry, idsOf, type Cases, type Scene } from './scene.ts'

/** How often who reads meets who publishes, and how many of these meetings there are at once. */
const ROUNDS = 10
const AT_ONCE = 20

/** Publishes at moments that nobody knows, alone and several at once. */
async function publish (scene: Scene, random: Random, channel: string, published: Map<string, string>): Promise<void> {
  for (let left = random.below(6); left > 0; left--) {
    await random.pause()
    await Promise.all(Array.from({ length: 1 + random.below(3) }, async () => {
      const data = `${random.below(1_000_000)}`
      const { id } = await scene.publish(channel, data)
      published.set(id, data)
    }))
  }
}

/** Follows the channel, then reads what was before, as everybody does who has to miss nothing. @returns what is to be checked at the end */
async function read (scene: Scene, random: Random, channel: string, published: Map<string, string>): Promise<(ids: string[]) => Promise<void>> {
  await random.pause()
  const ear = await scene.follow(channel)
  const position = ear.subscription.position
  const early = ear.entries.length
  await random.pause()
  const after = random.pick(undefined, ...published.keys())
  const pages = await scene.readPages(channel, after, 1 + random.below(4), () => random.pause())
  const say = (what: string): string => `${what} (seed ${random.seed})`
  const wanted = (id: string): boolean => after === undefined || compareIds(id, after) > 0

  return async ids => {
    await scene.eventually(() => { assert.equal(ear.ids.at(-1), ids.at(-1), say('the last has come')) })
    const { clock } = pages.at(-1)!
    const inPages = pages.flatMap(({ entries }) => idsOf(entries))
    assert.deepEqual(inPages, ids.filter(id => wanted(id) && compareIds(id, clock) <= 0), say('in pages is all that came before they were read'))
    assert.deepEqual(ear.ids, ids.slice(-ear.ids.length), say('what was heard has no holes'))
    assert.deepEqual(ear.ids.slice(early), ids.filter(id => compareIds(id, position) > 0), say('all was heard that came after the position'))
    assert.deepEqual(new Set([...inPages, ...ear.ids.filter(wanted)]), new Set(ids.filter(wanted)), say('nothing is missing in both'))
    assert.deepEqual(pages.filter(({ known }) => !known), [], say('the id was known'))
    assert.deepEqual(pages.slice(1).filter(({ lost }) => lost !== undefined), [], say('nothing was lost'))
    for (const entry of [...ear.entries, ...pages.flatMap(({ entries }) => entries)]) assertEntry(entry, entry.id, { data: published.get(entry.id) })
  }
}

/** Some who publish to a channel and some who read it meet once. */
async function meet (scene: Scene, random: Random): Promise<void> {
  const channel = scene.channel()
  const published = new Map<string, string>()
  const publishing = Promise.all(Array.from({ length: 1 + random.below(3) }, () => publish(scene, random, channel, published)))
  const reading = Promise.all(Array.from({ length: 1 + random.below(3) }, () => read(scene, random, channel, published)))
  const [checks] = await Promise.all([reading, publishing])
  const { id } = await scene.publish(channel, 'the last')
  published.set(id, 'the last')
  const ids = Array.from(published.keys()).sort(compareIds)
  for (const check of checks) await check(ids)
}

export const races: Cases = {
  'who follows a channel and then reads its history misses nothing, whatever is published meanwhile': async (scene, random) => {
    for (let round = 0; round < ROUNDS; round++) await Promise.all(Array.from({ length: AT_ONCE }, () => meet(scene, random)))
  }
}
