import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { SseBroker, SseHistory, SsePage, SsePublished } from '../channels/broker.ts'
import type { SseEntry, SsePayload } from '../wire/entry.ts'
import { RecordingSubscriber } from './recording-subscriber.ts'
import type { SeededRandom } from './seeded-random.ts'

/** Requirements of the contract, and the functions that check them. */
export type Cases = Readonly<Record<string, (harness: BrokerHarness, random: SeededRandom) => Promise<void>>>

export type CreateBroker = () => SseBroker | Promise<SseBroker>

interface PublishOptions {
  readonly history?: Partial<SseHistory>
  readonly idempotencyKey?: string | undefined
  readonly expectedLastId?: string | undefined
}

/** Keeps everything that a case publishes. */
export const UNLIMITED: SseHistory = { count: 10_000, age: 600_000, bytes: 64 * 1024 * 1024 }

/** The broker of a test case, with new channels and the steps that cases have in common. */
export class BrokerHarness {
  readonly broker: SseBroker
  readonly #create: CreateBroker
  readonly #timeout: number
  readonly #others: BrokerHarness[] = []
  /** The partition of all channels, if the broker has partitions. */
  #partition: string | number | undefined

  /** @param timeout milliseconds that {@link eventually} waits */
  static async open (create: CreateBroker, timeout: number): Promise<BrokerHarness> {
    return new BrokerHarness(await create(), create, timeout)
  }

  private constructor (broker: SseBroker, create: CreateBroker, timeout: number) {
    this.broker = broker
    this.#create = create
    this.#timeout = timeout
  }

  /** Opens a harness with another broker. Both are closed together. */
  async openOther (): Promise<BrokerHarness> {
    const other = await BrokerHarness.open(this.#create, this.#timeout)
    this.#others.push(other)
    return other
  }

  async close (): Promise<void> {
    for (const { broker } of [this, ...this.#others]) await broker.close()
  }

  /** Returns the name of an unused channel, in the same partition as all others. @param suffix the end of the name */
  newChannel (suffix = ''): string {
    for (;;) {
      const channel = `test/${randomUUID()}/${suffix}`
      const partition = this.broker.partition?.(channel)
      this.#partition ??= partition
      if (partition === this.#partition) return channel
    }
  }

  /** Publishes an event. @param payload the event, or its data */
  async publish (channel: string, payload: SsePayload | string, { history, ...options }: PublishOptions = {}): Promise<SsePublished> {
    const event = typeof payload === 'string' ? { data: payload } : payload
    return await this.broker.publish(channel, event, { history: { ...UNLIMITED, ...history }, ...options })
  }

  /** Publishes events one after the other. @returns their ids */
  async publishMany (channel: string, count: number, history: Partial<SseHistory> = {}): Promise<string[]> {
    const ids: string[] = []
    while (ids.length < count) ids.push((await this.publish(channel, `event ${ids.length}`, { history })).id)
    return ids
  }

  async subscribe (channel: string, onEntry: (entry: SseEntry) => void = () => {}): Promise<RecordingSubscriber> {
    const subscriber = new RecordingSubscriber(channel, onEntry)
    subscriber.subscription = await this.broker.subscribe(channel, subscriber)
    return subscriber
  }

  async replay (channel: string, after: string | undefined, count = 10_000): Promise<SsePage> {
    return await this.broker.replay(channel, after, count)
  }

  /** Reads pages until there are no more. @param pause called between two pages */
  async replayPages (channel: string, after: string | undefined, count: number, pause = async () => {}): Promise<SsePage[]> {
    const page = await this.replay(channel, after, count)
    if (!page.more) return [page]
    await pause()
    return [page, ...await this.replayPages(channel, page.entries.at(-1)!.id, count, pause)]
  }

  /** Repeats a check until it passes. Rejects with its error if it still fails after the timeout. */
  async eventually (check: () => void | Promise<void>): Promise<void> {
    const deadline = performance.now() + this.#timeout
    for (;;) {
      try {
        return await check()
      } catch (error) {
        if (performance.now() > deadline) throw error
      }
      await setTimeout(5)
    }
  }

  /** Asserts that a subscriber received exactly these events, in this order, followed by one that is published now. */
  async assertReceived (subscriber: RecordingSubscriber, ids: string[]): Promise<void> {
    const last = await this.publish(subscriber.channel, 'last')
    await this.eventually(() => { assert.deepEqual(subscriber.ids, [...ids, last.id]) })
    assert.equal(subscriber.breaks, 0, 'onBreak was not called')
  }
}
