import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { SseBroker, SseBrokerListener, SseBrokerSubscription, SseHistory, SsePage, SsePublished } from '../channels/broker.ts'
import { SseEntry, type SsePayload } from '../wire/entry.ts'
import { compareIds } from '../wire/event-id.ts'
import type { Random } from './random.ts'

/** What must hold of a broker, each under a sentence that says it. */
export type Cases = Readonly<Record<string, (scene: Scene, random: Random) => Promise<void>>>

interface Publishing {
  readonly history?: Partial<SseHistory>
  readonly idempotencyKey?: string | undefined
}

/** Keeps whatever a case publishes. */
const ALL: SseHistory = { count: 10_000, age: 600_000, bytes: 64 * 1024 * 1024 }

/** Hears one channel, and notes what it hears. */
export class Ear implements SseBrokerListener {
  readonly channel: string
  readonly entries: SseEntry[] = []
  readonly #then: (entry: SseEntry) => void
  /** None is expected: nothing is broken here. */
  breaks = 0
  subscription!: SseBrokerSubscription

  /** @param then what it does when it hears an entry */
  constructor (channel: string, then: (entry: SseEntry) => void) {
    this.channel = channel
    this.#then = then
  }

  get ids (): string[] {
    return idsOf(this.entries)
  }

  onEntry (entry: SseEntry): void {
    this.entries.push(entry)
    this.#then(entry)
  }

  onBreak (): void {
    this.breaks++
  }
}

/** A case's broker, channels that nobody else has, and what is done with them again and again. */
export class Scene {
  readonly broker: SseBroker
  readonly #create: () => SseBroker | Promise<SseBroker>
  readonly #patience: number
  readonly #others: Scene[] = []
  /** The partition of all its channels, where the broker has several. */
  #partition: string | number | undefined

  static async open (create: () => SseBroker | Promise<SseBroker>, patience: number): Promise<Scene> {
    return new Scene(await create(), create, patience)
  }

  private constructor (broker: SseBroker, create: () => SseBroker | Promise<SseBroker>, patience: number) {
    this.broker = broker
    this.#create = create
    this.#patience = patience
  }

  /** The same with another broker, which may have its log in the same store or not. */
  async another (): Promise<Scene> {
    const scene = await Scene.open(this.#create, this.#patience)
    this.#others.push(scene)
    return scene
  }

  async close (): Promise<void> {
    for (const scene of [this, ...this.#others]) await scene.broker.close()
  }

  /** A channel that never was, of the same partition as all others. @param name the end of its name */
  channel (name = ''): string {
    for (;;) {
      const channel = `test/${randomUUID()}/${name}`
      const partition = this.broker.partition?.(channel)
      this.#partition ??= partition
      if (partition === this.#partition) return channel
    }
  }

  /** Publishes a text, or what else there is to an event. @param publishing what is not usual about it */
  async publish (channel: string, payload: SsePayload | string, { history, idempotencyKey }: Publishing = {}): Promise<SsePublished> {
    const published = typeof payload === 'string' ? { data: payload } : payload
    return await this.broker.publish(channel, published, { history: { ...ALL, ...history }, idempotencyKey })
  }

  /** Publishes so many events, one after the other. @returns their ids */
  async publishMany (channel: string, count: number, history: Partial<SseHistory> = {}): Promise<string[]> {
    const ids: string[] = []
    while (ids.length < count) ids.push((await this.publish(channel, `event ${ids.length}`, { history })).id)
    return ids
  }

  async follow (channel: string, then: (entry: SseEntry) => void = () => {}): Promise<Ear> {
    const ear = new Ear(channel, then)
    ear.subscription = await this.broker.subscribe(channel, ear)
    return ear
  }

  /** Reads what came after an id. */
  async read (channel: string, after: string | undefined, count = 10_000): Promise<SsePage> {
    return await this.broker.replay(channel, after, count)
  }

  /** Reads page by page, until there is no more. @param between what is waited for between two pages */
  async readPages (channel: string, after: string | undefined, count: number, between: () => Promise<unknown>): Promise<SsePage[]> {
    const page = await this.read(channel, after, count)
    if (!page.more) return [page]
    await between()
    return [page, ...await this.readPages(channel, page.entries.at(-1)!.id, count, between)]
  }

  /** Has a check hold in time. */
  async eventually (check: () => void | Promise<void>): Promise<void> {
    const end = performance.now() + this.#patience
    for (;;) {
      try {
        return await check()
      } catch (error) {
        if (performance.now() > end) throw error
      }
      await setTimeout(5)
    }
  }

  /** What was heard is this, in this order and once, and then what is published last. */
  async hears (ear: Ear, ids: string[]): Promise<void> {
    const last = await this.publish(ear.channel, 'the last')
    await this.eventually(() => { assert.deepEqual(ear.ids, [...ids, last.id]) })
    assert.equal(ear.breaks, 0, 'nothing was broken')
  }
}

export function idsOf (entries: readonly SseEntry[]): string[] {
  return entries.map(({ id }) => id)
}

/** Whether ids rise, from each to the next. */
export function rise (ids: string[]): boolean {
  return ids.every((id, index) => index === 0 || compareIds(ids[index - 1]!, id) < 0)
}

/** An entry is what was published, to the last byte. */
export function assertEntry (entry: SseEntry, id: string, payload: SsePayload): void {
  const expected = new SseEntry(id, payload)
  assert.ok(entry instanceof SseEntry, 'an entry is an SseEntry')
  assert.deepEqual({ ...entry }, { ...expected })
  assert.equal(entry.frame(true), expected.frame(true))
}
