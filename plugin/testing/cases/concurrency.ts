import assert from 'node:assert/strict'
import { compareIds } from '../../wire/event-id.ts'
import type { BrokerHarness, Cases } from '../broker-harness.ts'
import { assertEntry, idsOf } from '../entries.ts'
import type { SeededRandom } from '../seeded-random.ts'

const ROUNDS = 10
const CHANNELS_PER_ROUND = 20

/** Publishes events at random times, one or several at once, and adds their data by id to `published`. */
async function publishRandomly (harness: BrokerHarness, random: SeededRandom, channel: string, published: Map<string, string>): Promise<void> {
  for (let left = random.below(6); left > 0; left--) {
    await random.pause()
    await Promise.all(Array.from({ length: 1 + random.below(3) }, async () => {
      const data = `${random.below(1_000_000)}`
      const { id } = await harness.publish(channel, data)
      published.set(id, data)
    }))
  }
}

/**
 * Subscribes to the channel and then reads its history, as a caller that must not miss an event does.
 *
 * @returns a function that checks what was received, given the ids of all events
 */
async function subscribeAndReplay (harness: BrokerHarness, random: SeededRandom, channel: string, published: Map<string, string>): Promise<(ids: string[]) => Promise<void>> {
  await random.pause()
  const subscriber = await harness.subscribe(channel)
  const { position } = subscriber.subscription
  const receivedBefore = subscriber.entries.length
  await random.pause()
  const after = random.pick(undefined, ...published.keys())
  const pages = await harness.replayPages(channel, after, 1 + random.below(4), () => random.pause())
  const withSeed = (message: string): string => `${message} (seed ${random.seed})`
  const isRequested = (id: string): boolean => after === undefined || compareIds(id, after) > 0

  return async ids => {
    await harness.eventually(() => { assert.equal(subscriber.ids.at(-1), ids.at(-1), withSeed('the subscriber received the last event')) })
    const { clock } = pages.at(-1)!
    const replayed = pages.flatMap(({ entries }) => idsOf(entries))
    assert.deepEqual(replayed, ids.filter(id => isRequested(id) && compareIds(id, clock) <= 0), withSeed('the pages contain all events up to their clock'))
    assert.deepEqual(subscriber.ids, ids.slice(-subscriber.ids.length), withSeed('the subscriber received events without gaps'))
    assert.deepEqual(subscriber.ids.slice(receivedBefore), ids.filter(id => compareIds(id, position) > 0), withSeed('the subscriber received all events after its position'))
    assert.deepEqual(new Set([...replayed, ...subscriber.ids.filter(isRequested)]), new Set(ids.filter(isRequested)), withSeed('every event was replayed or received'))
    assert.deepEqual(pages.filter(({ known }) => !known), [], withSeed('the id was known'))
    assert.deepEqual(pages.slice(1).filter(({ lost }) => lost !== undefined), [], withSeed('nothing was lost between pages'))
    for (const entry of [...subscriber.entries, ...pages.flatMap(({ entries }) => entries)]) assertEntry(entry, entry.id, { data: published.get(entry.id) })
  }
}

/** Runs several publishers and subscribers on a new channel, then checks what each subscriber received. */
async function runOnNewChannel (harness: BrokerHarness, random: SeededRandom): Promise<void> {
  const channel = harness.newChannel()
  const published = new Map<string, string>()
  const publishing = Promise.all(Array.from({ length: 1 + random.below(3) }, () => publishRandomly(harness, random, channel, published)))
  const subscribing = Promise.all(Array.from({ length: 1 + random.below(3) }, () => subscribeAndReplay(harness, random, channel, published)))
  const [checks] = await Promise.all([subscribing, publishing])
  const { id } = await harness.publish(channel, 'last')
  published.set(id, 'last')
  const ids = Array.from(published.keys()).sort(compareIds)
  for (const check of checks) await check(ids)
}

export const concurrencyCases = {
  'a caller that subscribes and then reads the history misses no event that is published meanwhile': async (harness, random) => {
    for (let round = 0; round < ROUNDS; round++) await Promise.all(Array.from({ length: CHANNELS_PER_ROUND }, () => runOnNewChannel(harness, random)))
  }
} satisfies Cases
