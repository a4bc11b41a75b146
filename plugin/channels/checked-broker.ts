import { warnOf } from '../base/logging.ts'
import { receiveEntry, type SseEntry, type SsePayload } from '../wire/entry.ts'
import { compareIds, earlierId, epochOf, idBeforeAll, isId, laterId } from '../wire/event-id.ts'
import type { SseBroker, SseBrokerListener, SseBrokerSubscription, SsePage, SsePublished, SsePublishOptions } from './broker.ts'

/** The number of channels whose newest invalid entry is remembered. */
const MAX_CHANNELS = 1_000

/**
 * The broker of an application, as this package uses it. An entry that cannot be sent is reported once and left out, and its
 * channel has a gap in its place. Entries of one broker may come from another version, another program or a third party.
 */
export class CheckedBroker implements SseBroker {
  readonly shared: boolean | undefined
  readonly #broker: SseBroker
  readonly #report: (error: unknown, channel: string) => void
  /** The id of the newest invalid entry of each channel. */
  readonly #invalid = new Map<string, string>()

  constructor (broker: SseBroker, report: (error: unknown, channel: string) => void) {
    this.shared = broker.shared
    this.#broker = broker
    this.#report = report
  }

  /** A broker without partitions has a single one. */
  partition (channel: string): string | number {
    return this.#broker.partition?.(channel) ?? 0
  }

  publish (channel: string, payload: SsePayload, options: SsePublishOptions): Promise<SsePublished> {
    return this.#broker.publish(channel, payload, options)
  }

  async subscribe (channel: string, listener: SseBrokerListener): Promise<SseBrokerSubscription> {
    const subscription = await this.#broker.subscribe(channel, {
      onEntry: received => {
        const entry = this.#receive(channel, received)
        if (entry !== undefined) listener.onEntry(entry)
        else listener.onBreak()
      },
      onBreak: () => { listener.onBreak() }
    })
    return new CheckedSubscription(subscription)
  }

  async replay (channel: string, after: string | undefined, count: number): Promise<SsePage> {
    const page = await this.#broker.replay(channel, after, count)
    const entries: SseEntry[] = []
    let { lost, damaged } = page
    let last: string | undefined
    for (const received of page.entries) {
      const entry = this.#receive(channel, received)
      last = positionOf(idOf(entry ?? received), page)
      if (entry !== undefined) entries.push(entry)
      else [lost, damaged] = [later(lost, last), true]
    }
    if (!page.more) return { ...page, entries, damaged, lost: later(lost, this.#invalidAfter(channel, page, after)) }
    if (entries.length > 0) return { ...page, entries, damaged, lost }
    // Otherwise, the next page could be the same.
    if (last === undefined || (page.known && after !== undefined && compareIds(last, after) <= 0)) return { ...page, entries, damaged, lost: page.clock, more: false }
    const next = await this.replay(channel, last, count)
    return { ...next, known: page.known, damaged, lost: later(lost, next.lost) }
  }

  close (): Promise<void> {
    return this.#broker.close()
  }

  /** @returns undefined for an entry that cannot be sent */
  #receive (channel: string, received: unknown): SseEntry | undefined {
    try {
      return receiveEntry(received)
    } catch (error) {
      this.#rememberInvalid(channel, idOf(received), error)
      return undefined
    }
  }

  #rememberInvalid (channel: string, id: string | undefined, error: unknown): void {
    const newest = this.#invalid.get(channel)
    // It was reported when it was received before.
    if (id !== undefined && newest !== undefined && later(newest, id) === newest) return
    this.#report(error, channel)
    if (id === undefined) return
    this.#invalid.set(channel, id)
    if (this.#invalid.size <= MAX_CHANNELS) return
    const [oldest] = this.#invalid.keys()
    this.#invalid.delete(oldest!)
  }

  /** The newest invalid entry after an id, which the history does not contain if another program has delivered it. */
  #invalidAfter (channel: string, page: SsePage, after: string | undefined): string | undefined {
    const id = this.#invalid.get(channel)
    const position = positionOf(id, page)
    if (position === undefined) return undefined
    return compareIds(id!, page.known && after !== undefined ? after : idBeforeAll(epochOf(position)!)) > 0 ? position : undefined
  }
}

/** A subscription whose end never throws. */
class CheckedSubscription implements SseBrokerSubscription {
  readonly #subscription: SseBrokerSubscription

  constructor (subscription: SseBrokerSubscription) {
    this.#subscription = subscription
  }

  get position (): string {
    return this.#subscription.position
  }

  unsubscribe (): void {
    try {
      this.#subscription.unsubscribe()
    } catch (error) {
      warnOf(error, 'A broker failed to end a subscription')
    }
  }
}

/** The id of anything that a broker has delivered, if it has one. */
function idOf (received: unknown): string | undefined {
  try {
    const id = (received as Partial<SseEntry> | null | undefined)?.id
    return isId(id) ? id : undefined
  } catch {
    return undefined
  }
}

/** The position of an entry in its log. Another program may have made up an id that the log had not assigned at a page's time. */
function positionOf (id: string | undefined, { clock }: SsePage): string | undefined {
  return id !== undefined && epochOf(id) === epochOf(clock) ? earlierId(id, clock) : undefined
}

/** The later one of two ids, if they belong to one epoch; otherwise the second. */
function later (a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return epochOf(a) === epochOf(b) ? laterId(a, b) : b
}
