import type { SsePage } from './broker.ts'
import { Deferred } from '../base/deferred.ts'
import type { SseEntry } from '../wire/entry.ts'
import { SSE_ERR_CLOSED, SSE_ERR_PARTITION } from '../base/errors.ts'
import { describe } from '../base/option-checks.ts'
import { encode } from '../wire/event.ts'
import { compareIds, epochOf, idBeforeAll, laterId } from '../wire/event-id.ts'
import { Batch, Seat, type Delivery, type Topic, type TopicFollower } from './topic.ts'
import type { SseFilter } from './options.ts'
import type { Topics } from './topics.ts'
import { SharedText } from '../wire/shared-text.ts'

/** Entries of one topic that are read at once. */
const PAGE = 256

/** What a follower asks of the emitter that it feeds. */
export interface FollowedEmitter {
  readonly space: boolean
  readonly overflow: 'close' | 'drop' | 'latest'
  /** Sends what goes to many, at once. @returns false if nothing was taken, because there is no room */
  deliver (text: SharedText, events: number, now: number): boolean
  /** Sends whole frames. @returns what to wait for where there is no room for more */
  put (text: string, events: number): Promise<void> | undefined
  /** What to wait for where there is no room; undefined where there is. */
  readonly room: Promise<void> | undefined
  /** The client has fallen behind by more than there is to catch up from. */
  lag (): void
  /** It has been given all that it was to get. */
  complete (): void
  completeWithError (error: unknown): void
}

/** How channels are followed. */
export interface Following {
  /** The id at which the client stands, its own or the application's; undefined for the beginning. */
  readonly after: string | undefined
  /** Whether it begins now, whatever `after` says. */
  readonly now: boolean
  readonly filter: SseFilter | undefined
  readonly until: SseFilter | undefined
  /** Whether the client is told by events of ours where it stands. */
  readonly markers: boolean
}

/** Channels that are about to be followed. */
interface Joining extends Following {
  readonly seats: Seat[]
  /** When their topics have let the seats in. */
  readonly ready: Promise<unknown>
  /** Settled when the client was told where it stands in them. */
  readonly joined: Deferred<void>
}

/** An entry and the place it came by. */
interface Arrival {
  readonly entry: SseEntry
  readonly seat: Seat
}

/** A page, and the place that it is of. */
interface Leaf {
  readonly seat: Seat
  readonly page: SsePage
}

/** What came after an id, over several topics. */
interface Reading {
  readonly leaves: Leaf[]
  /** In the order of ids. */
  readonly arrivals: Arrival[]
  /** Nothing up to this id is missing from `arrivals`. */
  readonly horizon: string
  /** Whether there is more to be read after the horizon. */
  readonly more: boolean
}

/**
 * One emitter's way through its channels: what it has missed, then live, without a gap and in the order of ids.
 *
 * While it is live, topics deliver to it at the end of each turn. Where that finds no room it falls behind: nothing
 * waits for it, and when there is room again it reads what it has missed, as it does at the beginning.
 */
export class Follower implements TopicFollower {
  readonly #emitter: FollowedEmitter
  readonly #topics: Topics
  readonly #seats: Seat[] = []
  readonly #joining: Joining[] = []
  /** The first channel that it was to follow: all others are of the same partition. */
  #first: string | undefined
  /** Everything up to this id was given to the emitter, or was not wanted; undefined at the very beginning. */
  #at: string | undefined
  /** The last id that the client was told. */
  #told: string | undefined
  #markers = true
  /** Settled when the client was told where it begins to follow; undefined once it was. */
  #beginning: Deferred<void> | undefined
  /** Whether the client has to hear what is missing, whatever `overflow` says. */
  #honest = true
  /** Whether topics may deliver: everything up to now was given. If not, `#catchUp` is at it. */
  #live = false
  #busy = false
  #closed = false
  /** What `deliver` was last called for. */
  #delivery: Delivery | undefined

  constructor (emitter: FollowedEmitter, topics: Topics) {
    this.#emitter = emitter
    this.#topics = topics
  }

  /** Whether the client is told by events of ours where it stands. */
  get markers (): boolean {
    return this.#markers
  }

  /** The names of the channels it follows. */
  get channels (): string[] {
    return this.#seats.map(({ topic }) => topic.name)
  }

  /**
   * Follows more channels.
   *
   * @returns when the client was told where it stands in them
   * @throws SSE_ERR_PARTITION if they are not of the partition of all others that it has followed; then it follows none
   *   of them
   */
  async follow (names: string[], following: Following): Promise<void> {
    this.#assertTogether(names)
    const followed = new Set([...this.#seats, ...this.#joining.flatMap(({ seats }) => seats)].map(({ topic }) => topic.name))
    const seats = Array.from(new Set(names)).filter(name => !followed.has(name))
      .map(name => new Seat(this.#topics.get(name), this, following.filter, following.until))
    const ready = Promise.all(seats.map(async seat => await seat.topic.join(seat)))
    ready.catch(() => {})
    const joined = new Deferred<void>()
    this.#joining.push({ ...following, seats, ready, joined })
    this.#fallBehind()
    await joined.promise
  }

  /** The client has one last id for all of them. @throws SSE_ERR_PARTITION */
  #assertTogether (names: string[]): void {
    const { broker } = this.#topics
    const first = this.#first ?? names[0]!
    const partition = broker.partition?.(first)
    for (const name of names) {
      if (broker.partition?.(name) !== partition) throw new SSE_ERR_PARTITION(describe(first), describe(name))
    }
    this.#first = first
  }

  /** Has what was published before now delivered, and not at the end of the turn. */
  flush (): void {
    if (this.#seats.some(({ topic }) => topic.dirty)) this.#topics.flush()
  }

  /** Follows nothing any more. @param reason gives the error for who waits for its beginning */
  close (reason: () => Error): void {
    this.#closed = true
    this.#live = false
    for (const seat of this.#seats.splice(0)) seat.topic.leave(seat)
    this.#beginning?.reject(reason())
    for (const joining of this.#joining.splice(0)) refuse(joining, reason())
  }

  /**
   * The id at which the client stands, where that is later than what it was told: nothing that it wants was published
   * for a while, but time has passed, and history goes.
   */
  restate (): string | undefined {
    if (!this.#live || this.#seats.some(({ topic }) => topic.dirty)) return undefined
    this.#at = laterId(this.#at!, this.#seats.map(({ topic }) => topic.position).reduce(earlierId))
    if (this.#at === this.#told) return undefined
    this.#told = this.#at
    return this.#at
  }

  // From topics

  deliver (topic: Topic, delivery: Delivery): void {
    if (!this.#live) return
    const seat = this.#seats[0]
    if (this.#seats.length === 1 && seat!.insatiable) {
      this.#give(topic.batch!, delivery)
    } else if (delivery !== this.#delivery) {
      this.#delivery = delivery
      this.#choose(delivery)
    }
  }

  resync (): void {
    this.#honest = true
    this.#fallBehind()
  }

  #give (batch: Batch, { now }: Delivery): void {
    if (this.#emitter.deliver(batch.shared(this.#emitter.space), batch.entries.length, now)) this.#at = this.#told = batch.lastId
    else this.#fallBehind()
  }

  /** Gives what is wanted of all batches there are. */
  #choose (delivery: Delivery): void {
    const seats = this.#seats.filter(({ topic }) => topic.batch !== undefined)
    const arrivals = seats.flatMap(seat => seat.topic.batch!.entries.map(entry => ({ entry, seat })))
    let wanted: Arrival[]
    let end: number
    try {
      wanted = arrivals.filter(({ entry, seat }) => seat.wants(entry)).sort(byId)
      end = wanted.findIndex(({ entry, seat }) => seat.ends(entry))
    } catch (error) {
      this.#emitter.completeWithError(error)
      return
    }
    if (end !== -1) wanted.length = end + 1
    // All of one batch: then it is the same for many.
    if (seats.length === 1 && wanted.length === arrivals.length) this.#give(seats[0]!.topic.batch!, delivery)
    else if (wanted.length > 0) this.#give(new Batch(wanted.map(({ entry }) => entry)), delivery)
    // Where there was no room, it ends once it has caught up.
    if (end !== -1 && this.#live) this.#emitter.complete()
    for (const seat of seats) {
      if (seat.since !== undefined && compareIds(seat.topic.batch!.lastId, seat.since) >= 0) seat.since = undefined
    }
    if (this.#live) this.#at = seats.map(({ topic }) => topic.batch!.lastId).reduce(laterId, this.#at!)
  }

  // Catching up

  #fallBehind (): void {
    this.#live = false
    if (this.#busy) return
    this.#busy = true
    this.#catchUp().catch(error => {
      if (!(error instanceof SSE_ERR_CLOSED)) this.#emitter.completeWithError(error)
    })
  }

  /** Gives what is missing, until nothing is. */
  async #catchUp (): Promise<void> {
    for (;;) {
      const [joining] = this.#joining
      if (joining !== undefined) await this.#join(joining)
      if (this.#closed) return
      await this.#emitter.room
      const latest = this.#emitter.overflow === 'latest' && this.#beginning === undefined
      const reading = await (latest ? this.#readLatest() : this.#read(this.#at))
      if (this.#closed) return
      if (!this.#account(reading)) return
      for (const { entry, seat } of reading.arrivals) {
        if (latest || seat.wants(entry)) {
          const room = this.#emitter.put(entry.frame(this.#emitter.space), 1)
          this.#told = entry.id
          if (seat.ends(entry)) return this.#emitter.complete()
          if (room !== undefined) await room
        }
        if (!latest) this.#at = entry.id
      }
      this.#at = reading.horizon
      if (!reading.more && this.#goLive()) break
    }
    this.#busy = false
  }

  /** @returns whether nothing has come meanwhile, so that topics may deliver from here on */
  #goLive (): boolean {
    if (this.#joining.length > 0) return false
    // What waits for the end of this turn was read as well, and must not come again.
    this.#topics.flush()
    if (this.#seats.some(({ topic: { newest } }) => newest !== undefined && compareIds(newest, this.#at!) > 0)) return false
    // What was read may be ahead of what comes live, where both come from afar.
    for (const seat of this.#seats) seat.since = compareIds(seat.topic.position, this.#at!) < 0 ? this.#at : undefined
    this.#honest = false
    this.#live = true
    return true
  }

  /** Reads on from an id in all topics. */
  async #read (after: string | undefined): Promise<Reading> {
    const leaves = await readPages(this.#seats, after)
    // Beyond what one page says of its topic, nothing of another may be given: a client that has gone past an entry
    // would never get it.
    const horizon = leaves.map(({ page: { more, entries, clock } }) => more ? entries.at(-1)!.id : clock).reduce(earlierId)
    const all = leaves.flatMap(({ seat, page }) => page.entries.map(entry => ({ entry, seat })))
    const arrivals = all.filter(({ entry }) => compareIds(entry.id, horizon) <= 0)
    if (leaves.length > 1) arrivals.sort(byId)
    return { leaves, arrivals, horizon, more: arrivals.length < all.length || leaves.some(({ page }) => page.more) }
  }

  /** Reads all there is, and keeps the latest for each key of what is wanted. */
  async #readLatest (): Promise<Reading> {
    const latest = new Map<string, Arrival>()
    const leaves: Leaf[] = []
    let reading: Reading | undefined
    do {
      reading = await this.#read(reading?.horizon ?? this.#at)
      leaves.push(...reading.leaves)
      for (const arrival of reading.arrivals) {
        const { entry, seat } = arrival
        if (!seat.wants(entry)) continue
        const key = `${entry.key ?? entry.event ?? ''}\n${seat.topic.name}`
        // At its new place.
        latest.delete(key)
        latest.set(key, arrival)
        if (seat.ends(entry)) return { ...reading, leaves, arrivals: Array.from(latest.values()) }
      }
    } while (reading.more)
    return { ...reading, leaves, arrivals: Array.from(latest.values()) }
  }

  /** Tells the client what has to be told before it gets on. @returns whether it gets on */
  #account ({ leaves, arrivals: [first], horizon }: Reading): boolean {
    const reset = leaves.some(({ page }) => !page.known)
    const gaps = gapsAfter(this.#at, leaves)
    if (gaps.length > 0 && !this.#honest && this.#emitter.overflow === 'close') {
      this.#emitter.lag()
      return false
    }
    // The latest id before the first entry: who comes back from here has missed no more than it was told.
    let at = reset || this.#at === undefined ? idBeforeAll(epochOf(horizon)!) : this.#at
    if (first === undefined) at = horizon
    else for (const { page: { lost } } of leaves) if (lost !== undefined && compareIds(lost, first.entry.id) < 0) at = laterId(at, lost)
    this.#at = at
    if (reset || gaps.length > 0 || this.#beginning !== undefined) this.#mark(reset, gaps)
    this.#beginning?.resolve()
    this.#beginning = undefined
    return true
  }

  /** Tells the client where it stands, and what it has missed. */
  #mark (reset: boolean, gaps: Gap[]): void {
    if (!this.#markers) return
    const event = reset ? 'sse-reset' : gaps.length > 0 ? 'sse-gap' : 'sse-ready'
    const data = JSON.stringify(event === 'sse-gap' ? { gaps } : {})
    this.#told = this.#at
    this.#emitter.put(encode(data, { event, id: this.#at }, this.#emitter.space), 0)
  }

  // Joining

  async #join (joining: Joining): Promise<void> {
    const { seats, ready, joined, after, now, markers } = joining
    try {
      await ready
    } catch (error) {
      if (this.#closed) return
      this.#joining.shift()
      refuse(joining, error)
      throw error
    }
    if (this.#closed) return
    this.#markers = markers
    if (this.#seats.length === 0) {
      // It was told nothing yet.
      this.#beginning = joined
      this.#at = now ? seats.map(({ topic }) => topic.position).reduce(laterId) : after
    } else if (now) {
      for (const seat of seats) seat.since = seat.topic.position
      this.#mark(false, [])
      joined.resolve()
    } else {
      await this.#tellPast(seats, after)
      if (this.#closed) return
      joined.resolve()
    }
    this.#joining.shift()
    this.#seats.push(...seats)
  }

  /**
   * Gives what channels have had before the id at which the client stands, which is that of its other channels. It goes
   * without ids, because those must not fall.
   */
  async #tellPast (seats: Seat[], after: string | undefined): Promise<void> {
    const leaves = await readPages(seats, after)
    if (this.#closed) return
    this.#mark(leaves.some(({ page }) => !page.known), gapsAfter(after, leaves))
    for (const { seat, page } of leaves) await this.#givePast(seat, page)
  }

  async #givePast (seat: Seat, page: SsePage): Promise<void> {
    for (const entry of page.entries) {
      if (compareIds(entry.id, this.#at!) > 0) return
      if (!seat.wants(entry)) continue
      const room = this.#emitter.put(entry.frameWithoutId(this.#emitter.space), 1)
      if (seat.ends(entry)) return this.#emitter.complete()
      await room
    }
    if (page.more) await this.#givePast(seat, await seat.topic.after(page.entries.at(-1)!.id, PAGE))
  }
}

/** What of a channel the client has missed: what came after `from`, up to and with `to`. */
interface Gap {
  readonly channel: string
  readonly from: string
  readonly to: string
}

/** What is missing after an id; nothing, where it is no id of this log, which says more. */
function gapsAfter (id: string | undefined, leaves: Leaf[]): Gap[] {
  if (id === undefined) return []
  return leaves.flatMap(({ seat, page: { known, lost } }) => known && lost !== undefined ? [{ channel: seat.topic.name, from: id, to: lost }] : [])
}

async function readPages (seats: Seat[], after: string | undefined): Promise<Leaf[]> {
  return await Promise.all(seats.map(async seat => ({ seat, page: await seat.topic.after(after, PAGE) })))
}

function refuse ({ seats, joined }: Joining, error: unknown): void {
  for (const seat of seats) seat.topic.leave(seat)
  joined.reject(error)
}

function earlierId (a: string, b: string): string {
  return compareIds(a, b) < 0 ? a : b
}

function byId (a: Arrival, b: Arrival): number {
  return compareIds(a.entry.id, b.entry.id)
}
