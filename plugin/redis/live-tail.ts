import { setImmediate as nextTurn } from 'node:timers/promises'
import type { SseBrokerListener, SseBrokerSubscription } from '../channels/broker.ts'
import { Deferred } from '../base/deferred.ts'
import type { SseEntry } from '../wire/entry.ts'
import { SSE_ERR_BROKER_CLOSED } from '../base/errors.ts'
import { compareIds, epochOf, laterId } from '../wire/event-id.ts'
import { WheelTimer, type TimerWheel } from '../base/timer-wheel.ts'
import { SSE_ERR_BROKER_BUSY } from './errors.ts'
import { Feed, type Seat } from './subscribed-channel.ts'
import { Hearing, type HearingOwner } from './pubsub-subscriptions.ts'
import type { Keys } from './keys.ts'
import type { Line } from './reconnecting-client.ts'
import { parseEntry, type Extent, type RedisLog } from './redis-log.ts'
import { readMissed } from './missed-entries.ts'

/** Channels that are looked at by one probe. */
const PROBED = 512
/** Characters of what comes while what was missed is read. */
const HELD = 16 * 1024 * 1024
/** Missed entries that are handed out in one turn of the event loop. */
const HANDED = 128
/** Milliseconds after which it is looked up why a message is of another epoch. */
const SOON = 100

/** A message to ourselves that is on its way: before it comes all that was published before. */
interface Mark {
  readonly name: string
  /** Settled when it has come. */
  readonly come: Deferred<void>
  /** What there is to do in its place among the messages. */
  readonly then: (clock: string) => void
}

interface Held {
  readonly message: string
  readonly heard: string
}

export interface TailOptions {
  readonly keys: Keys
  readonly node: string
  readonly wheel: TimerWheel
  readonly commands: Line
  readonly subscriber: Line
  readonly sharded: boolean
  readonly log: RedisLog
  readonly probe: number
  readonly maxWaiting: number
}

/**
 * What this node hears of the log, by one connection, whose messages come in the order of their ids.
 *
 * Whenever it may have missed something (its connection was lost, or does not bring what it should; the log is another)
 * it holds back what comes, finds out how far the log goes, reads what was missed, hands that out, and goes on. Where it
 * cannot tell what was missed, or that is very much, it tells listeners that there is a break.
 */
export class Tail extends WheelTimer implements HearingOwner {
  readonly #options: TailOptions
  /** By the name under which they are heard. */
  readonly #feeds = new Map<string, Feed>()
  readonly #hearing: Hearing
  #closed = false

  /** Subscriptions that are not there yet. */
  #waiting = 0

  #epoch = ''
  /** Everything up to this id has come to all listeners. */
  #told = ''

  #names = 0
  readonly #marks = new Map<string, Mark>()
  /** What was to be done when a mark came, and is done at the end of what is going on. */
  readonly #promised: Array<(clock: string) => void> = []

  /** Whether what comes is held back. */
  #holding = false
  #demanded = false
  /** The mark after which it is held back, and what it said when it came. */
  #cut = { name: 'none', come: new Deferred<string>() }
  #held: Held[] = []
  #heldSize = 0
  /** Whether more came than could be held. */
  #overflown = false

  /** What is looked at next by the probe. */
  #round = this.#feeds.values()

  constructor (options: TailOptions) {
    super()
    this.#options = options
    this.#hearing = new Hearing(options.subscriber, options.sharded, this)
  }

  /** Begins to hear, when the connections are up. */
  begin (): void {
    this.resync()
    this.#arm(this.#options.probe)
  }

  async subscribe (channel: string, listener: SseBrokerListener): Promise<SseBrokerSubscription> {
    if (this.#waiting >= this.#options.maxWaiting) throw new SSE_ERR_BROKER_BUSY()
    const heard = this.#options.keys.live(channel)
    const feed = this.#feeds.get(heard) ?? this.#open(channel, heard)
    const seat: Seat = { listener, given: this.#told }
    feed.seats.add(seat)
    this.#waiting++
    await feed.joined.promise.finally(() => { this.#waiting-- })
    const told = (): string => this.#told
    return {
      get position () { return laterId(seat.given, told()) },
      unsubscribe: () => {
        feed.seats.delete(seat)
        if (feed.seats.size === 0 && this.#feeds.get(heard) === feed) this.#forget(heard)
      }
    }
  }

  #open (channel: string, heard: string): Feed {
    const feed = new Feed(channel, heard)
    this.#feeds.set(heard, feed)
    this.#hearing.join(feed)
    return feed
  }

  #forget (heard: string): void {
    this.#feeds.delete(heard)
    this.#hearing.leave(heard)
  }

  close (): void {
    this.#closed = true
    this.#hearing.close()
    this.#options.wheel.clear(this)
    for (const feed of this.#feeds.values()) feed.joined.reject(new SSE_ERR_BROKER_CLOSED())
    this.#feeds.clear()
    this.#held = []
  }

  /** Has a new connection hear all there is to hear. What comes is held back from here on. */
  async prepare (): Promise<void> {
    this.resync()
    await this.#hearing.prepare([this.#options.node, ...this.#feeds.keys()])
  }

  // Who hears

  isFollowed (heard: string): boolean {
    return this.#feeds.has(heard)
  }

  onRefused (feeds: Feed[], error: unknown): void {
    for (const { heard, joined } of feeds) {
      this.#feeds.delete(heard)
      joined.reject(error)
    }
  }

  async onHeard (feeds: Feed[]): Promise<void> {
    const { commands, subscriber } = this.#options
    const mark = this.#newMark(clock => {
      for (const feed of feeds) {
        feed.stand(clock)
        feed.joined.resolve()
      }
    })
    while (this.#marks.has(mark.name)) {
      try {
        await commands.up
        await subscriber.up
        await this.#send(mark, [])
      } catch {
        // It is tried again when there are connections, unless that is done by what a new connection takes.
        if (this.#closed) return
      }
    }
  }

  readonly onMessage = (message: string, heard: string): void => {
    if (this.#closed) return
    const isMark = heard === this.#options.node
    if (isMark && this.#isCut(message)) return
    if (isMark) this.#marks.get(partsOf(message)[0])?.come.resolve()
    if (this.#holding) this.#hold({ message, heard })
    else this.#take({ message, heard })
  }

  #take ({ message, heard }: Held): void {
    if (heard === this.#options.node) this.#takeMark(message)
    else this.#takeEntry(message, heard)
  }

  #takeMark (message: string): void {
    const [name, epoch, last] = partsOf(message)
    if (epoch !== this.#epoch) return
    const clock = `${epoch}.${last}`
    this.#told = laterId(this.#told, clock)
    const mark = this.#marks.get(name)
    this.#marks.delete(name)
    mark?.then(clock)
  }

  #takeEntry (message: string, heard: string): void {
    const [epoch, last, before, text] = partsOf(message)
    if (epoch !== this.#epoch) {
      this.#arm(SOON)
      return
    }
    const id = `${epoch}.${last}`
    const feed = this.#feeds.get(heard)
    if (feed?.last !== undefined && compareIds(id, feed.last) > 0) {
      if (compareIds(`${epoch}.${before}`, feed.last) > 0) {
        this.#distrust()
        return
      }
      this.#hand(feed, parseEntry(id, text))
    }
    this.#tell(id)
  }

  #hand (feed: Feed, entry: SseEntry): void {
    feed.last = entry.id
    for (const seat of feed.seats) {
      if (this.#closed) return
      seat.given = entry.id
      seat.listener.onEntry(entry)
    }
  }

  #tell (id: string): void {
    this.#told = laterId(this.#told, id)
    this.#options.log.saw(id)
  }

  // Marks

  #newMark (then: (clock: string) => void): Mark {
    const mark: Mark = { name: `${++this.#names}`, come: new Deferred(), then }
    this.#marks.set(mark.name, mark)
    return mark
  }

  /** @returns how far the log goes, when the mark has come */
  async #send (mark: Mark, channels: string[]): Promise<Extent> {
    const extent = await this.#options.log.sync(mark.name, channels)
    await this.#options.subscriber.do(() => mark.come.promise)
    return extent
  }

  // After a break

  /** Something may have been missed. */
  async resync (): Promise<void> {
    this.#demanded = true
    if (this.#holding) return
    this.#holding = true
    while (this.#demanded && !this.#closed) {
      try {
        await this.#repair()
      } catch {
        // It is tried again when there are connections.
        this.#demanded = true
      }
      await this.#release()
    }
    this.#holding = false
  }

  /** The connection does not bring what it should: another is made. */
  #distrust (): void {
    this.resync()
    this.#options.subscriber.lose(new Error('Redis has not brought what was published'))
  }

  async #repair (): Promise<void> {
    const { commands, subscriber, log } = this.#options
    await commands.up
    await subscriber.up
    const read = !this.#overflown
    const cut = this.#cut = { name: `${++this.#names}`, come: new Deferred<string>() }
    await log.sync(cut.name, [])
    this.#demanded = false
    const clock = await subscriber.do(() => cut.come.promise)
    if (epochOf(clock) === this.#epoch) await this.#makeUp(clock, read)
    else await this.#beginAnew(clock)
    for (const then of this.#promised.splice(0)) then(clock)
  }

  /** @returns whether it is what all waits for: what came before is read, and what comes after it is held back */
  #isCut (message: string): boolean {
    const [name, epoch, last] = partsOf(message)
    if (name !== this.#cut.name) return false
    this.#held = []
    this.#heldSize = 0
    this.#overflown = false
    for (const { come, then } of this.#marks.values()) {
      come.resolve()
      this.#promised.push(then)
    }
    this.#marks.clear()
    this.#cut.come.resolve(`${epoch}.${last}`)
    return true
  }

  #hold (held: Held): void {
    this.#heldSize += held.message.length
    if (this.#heldSize <= HELD) this.#held.push(held)
    else this.#overflow()
  }

  /** What is held is let go, and has to be read with all the rest. */
  #overflow (): void {
    this.#held = []
    this.#overflown = this.#demanded = true
  }

  /** Takes what is held, and what comes meanwhile. */
  async #release (): Promise<void> {
    while (this.#held.length > 0) {
      const held = this.#held
      this.#held = []
      this.#heldSize = 0
      for (const [index, message] of held.entries()) {
        if (index % HANDED === HANDED - 1) await nextTurn()
        if (this.#demanded || this.#closed) return
        this.#take(message)
      }
    }
  }

  async #beginAnew (clock: string): Promise<void> {
    // Who has subscribed just now has to have its subscription first.
    await nextTurn()
    this.#epoch = epochOf(clock)!
    this.#told = clock
    this.#break(this.#active, clock)
  }

  /** Has listeners know that they may have missed something, and go on from an id. */
  #break (feeds: Feed[], clock: string): void {
    for (const feed of feeds) feed.stand(clock)
    for (const { listener } of feeds.flatMap(({ seats }) => [...seats])) {
      if (this.#closed) return
      listener.onBreak()
    }
  }

  /** Hands out what was missed up to an id. */
  async #makeUp (clock: string, read: boolean): Promise<void> {
    const { entries, broken } = await readMissed(this.#options.log, this.#active, this.#told, clock, read)
    await nextTurn()
    // They are told first: nobody may go on by another channel and think that it has everything.
    this.#break(broken, clock)
    for (const [index, { feed, entry }] of entries.entries()) {
      if (index % HANDED === HANDED - 1) await nextTurn()
      this.#hand(feed, entry)
      this.#tell(entry.id)
    }
    this.#tell(clock)
  }

  get #active (): Feed[] {
    return Array.from(this.#feeds.values()).filter(({ last }) => last !== undefined)
  }

  // Whether all comes that should

  #arm (ms: number): void {
    this.#options.wheel.set(this, Math.min(performance.now() + ms, this.dueAt))
  }

  fire (): void {
    this.#arm(this.#options.probe)
    if (!this.#holding) this.#probe()
  }

  /** Sends a mark, and looks whether the last entry of some channels has come before it. */
  async #probe (): Promise<void> {
    const feeds: Feed[] = []
    while (feeds.length < PROBED) {
      const { done, value } = this.#round.next()
      if (done === true) break
      if (value.last !== undefined) feeds.push(value)
    }
    if (feeds.length < PROBED) this.#round = this.#feeds.values()
    const mark = this.#newMark(() => {})
    try {
      const { lasts } = await this.#send(mark, feeds.map(({ channel }) => channel))
      if (!this.#holding && lasts.some((last, index) => isMissing(last, feeds[index]!))) this.#distrust()
    } catch {
      // The connection is lost, which is noticed anyway.
      this.#marks.delete(mark.name)
    }
  }
}

/** Whether the last entry of a channel has not come to who follows it. */
function isMissing (id: string | undefined, { seats, last }: Feed): boolean {
  return seats.size > 0 && id !== undefined && epochOf(id) === epochOf(last!) && compareIds(id, last!) > 0
}

/** Three lines of a message, and what is left. */
function partsOf (message: string): [string, string, string, string] {
  const first = message.indexOf('\n')
  const second = message.indexOf('\n', first + 1)
  const third = message.indexOf('\n', second + 1)
  return [message.slice(0, first), message.slice(first + 1, second), message.slice(second + 1, third), message.slice(third + 1)]
}
