import type { Deferred } from '../base/deferred.ts'
import { SSE_ERR_CLOSED } from '../base/errors.ts'
import { isInstance } from '../base/failure.ts'
import { compareIds, earlierId, laterId } from '../wire/event-id.ts'
import type { SseEntry } from '../wire/entry.ts'
import { Batch, type Delivery } from './batch.ts'
import type { ChannelSubscribers } from './channel-subscribers.ts'
import type { FanOut } from './fan-out.ts'
import { filterBatches } from './filtered-batch.ts'
import { readHistory, readLatest, readPages, type HistorySlice } from './history-reader.ts'
import { encodeMarker, lossesAfter, markerId, NO_LOSSES, type Losses } from './markers.ts'
import { replayWithoutIds } from './replay-without-ids.ts'
import { assertSamePartition, SubscribeRequest, type SubscribeParameters } from './subscribe-request.ts'
import type { SubscribedStream } from './subscribed-stream.ts'
import { Subscription, type BatchListener } from './subscription.ts'

const NONE: SseEntry[] = []

/**
 * The subscriptions of one stream. The client first receives the events it has missed, from the history, and then new events
 * as they are published: without gaps, and in the order of ids.
 *
 * While the subscriber is live, its channels deliver a batch at the end of each turn. If the stream has no room for a batch,
 * the subscriber falls behind: nothing is queued for it. Once there is room, it reads the missed events from the history, as
 * it did at first.
 */
export class Subscriber implements BatchListener {
  readonly #stream: SubscribedStream
  readonly #fanOut: FanOut
  #subscriptions: Subscription[] = []
  readonly #requests: SubscribeRequest[] = []
  /** The first channel it subscribed to. All others must be in the same partition. */
  #firstChannel: string | undefined
  /** The id up to which all wanted entries were sent; undefined at the beginning of the history. */
  #position: string | undefined
  /** The last id that was sent to the client. */
  #sentId: string | undefined
  sendsMarkers = true
  /** The first request, until the first marker is sent. */
  #starting: Deferred<void> | undefined
  /** Whether missed events are reported to the client even if the option `overflow` is `close`. */
  #mustReportGaps = true
  /** Whether the client has caught up and receives batches from its channels. Otherwise `#catchUp` is running. */
  #live = false
  #catchingUp = false
  /** Whether entries may have been missed since the history was last read. */
  #isBroken = false
  #closed = false
  /** The last delivery that `#sendFiltered` handled. It covers all channels, so it runs once per delivery. */
  #lastDelivery: Delivery | undefined
  /** The entries of a delivery for which a filter has returned true, while others are filtered. */
  #filtering: SseEntry[] = NONE

  constructor (stream: SubscribedStream, fanOut: FanOut) {
    this.#stream = stream
    this.#fanOut = fanOut
  }

  /** The names of the channels it is subscribed to. */
  get channels (): string[] {
    return this.#subscriptions.map(({ channel }) => channel.name)
  }

  /**
   * Subscribes to more channels. Those it is already subscribed to are ignored.
   *
   * @returns a promise that resolves once the client was sent a marker: `sse-ready`, `sse-gap` or `sse-reset`
   * @throws SSE_ERR_PARTITION if the channels are not in the partition of those it has subscribed to so far; then it does
   *   not subscribe to any of them
   */
  async subscribe (names: string[], parameters: SubscribeParameters): Promise<void> {
    assertSamePartition(this.#fanOut.broker, this.#firstChannel ??= names[0]!, names)
    const known = new Set(this.#all().map(({ channel }) => channel.name))
    const subscriptions = Array.from(new Set(names)).filter(name => !known.has(name))
      .map(name => new Subscription(this.#fanOut.channel(name), this, parameters))
    const request = new SubscribeRequest(subscriptions, parameters)
    this.#requests.push(request)
    this.#fallBehind()
    await request.done.promise
  }

  /** Ends the subscriptions to some channels. Their pending entries are delivered first. */
  unsubscribe (names: readonly string[]): void {
    this.flush()
    for (const subscription of this.#all()) if (names.includes(subscription.channel.name)) subscription.end()
    this.#subscriptions = this.#subscriptions.filter(({ ended }) => !ended)
  }

  /** All subscriptions, those of requests that are not finished included. */
  #all (): Subscription[] {
    return [...this.#subscriptions, ...this.#requests.flatMap(({ subscriptions }) => subscriptions)].filter(({ ended }) => !ended)
  }

  /** Delivers pending entries now instead of at the end of the turn. */
  flush (): void {
    if (this.#subscriptions.some(({ channel }) => channel.hasPending)) this.#fanOut.flush()
    const wanted = this.#filtering.splice(0)
    if (wanted.length > 0 && this.#live) this.#send(new Batch(wanted), this.#lastDelivery!)
  }

  /** Ends all subscriptions. @param reason returns the error with which pending calls of `subscribe` reject */
  close (reason: () => Error): void {
    this.#closed = true
    this.#live = false
    for (const subscription of this.#subscriptions.splice(0)) subscription.channel.remove(subscription)
    this.#starting?.reject(reason())
    for (const request of this.#requests.splice(0)) request.fail(reason())
  }

  /**
   * Returns the client's position if it is later than the last id that was sent, for example because a filter rejected the
   * latest events. The caller sends it, so that the client can resume after older history is gone.
   */
  takeUnsentPosition (): string | undefined {
    if (!this.#live || this.#subscriptions.length === 0 || this.#subscriptions.some(({ channel }) => channel.hasPending)) return undefined
    this.#position = laterId(this.#position!, this.#subscriptions.map(({ channel }) => channel.position).reduce(earlierId))
    if (this.#position === this.#sentId) return undefined
    this.#sentId = this.#position
    return this.#position
  }

  // Live

  deliver (channel: ChannelSubscribers, delivery: Delivery): void {
    if (!this.#live) return
    try {
      this.#deliver(channel, delivery)
    } catch (error) {
      // Others must still receive the batch.
      this.#filtering = NONE
      this.#stream.completeWithError(error)
    }
  }

  #deliver (channel: ChannelSubscribers, delivery: Delivery): void {
    if (delivery === this.#lastDelivery) return
    const subscription = this.#subscriptions[0]
    if (this.#subscriptions.length === 1 && subscription!.takesEverything) {
      // A filter may have just ended the subscription to this channel.
      if (subscription!.channel === channel) this.#send(channel.batch!, delivery)
    } else {
      this.#lastDelivery = delivery
      this.#sendFiltered(delivery)
    }
  }

  onBreak (): void {
    this.#isBroken = true
    this.#mustReportGaps = true
    this.#fallBehind()
  }

  #send (batch: Batch, { now }: Delivery): void {
    if (this.#stream.deliver(batch.encode(this.#stream.spaceAfterColon), batch.entries.length, now)) this.#position = this.#sentId = batch.lastId
    else this.#fallBehind()
  }

  /** Sends the wanted entries of all batches in this delivery. */
  #sendFiltered (delivery: Delivery): void {
    const subscriptions = this.#subscriptions.filter(({ channel }) => channel.batch !== undefined)
    this.#filtering = []
    const filtered = filterBatches(subscriptions, this.#filtering)
    this.#filtering = NONE
    // A callback may have ended the stream.
    if (!this.#live) return
    if (filtered.batch !== undefined) this.#send(filtered.batch, delivery)
    // If there was no room, the stream ends once the client has caught up.
    if (filtered.isLast && this.#live) this.#stream.complete()
    for (const subscription of subscriptions) subscription.passed(subscription.channel.batch!.lastId)
    if (this.#live) this.#position = subscriptions.map(({ channel }) => channel.batch!.lastId).reduce(laterId, this.#position!)
  }

  // Catching up

  #fallBehind (): void {
    this.#live = false
    if (this.#catchingUp) return
    this.#catchingUp = true
    this.#catchUp().catch(error => {
      if (!isInstance(error, SSE_ERR_CLOSED)) this.#stream.completeWithError(error)
    })
  }

  /** Sends the missed entries until none is missing. */
  async #catchUp (): Promise<void> {
    for (;;) {
      const [request] = this.#requests
      if (request !== undefined) await this.#process(request)
      if (this.#closed) return
      await this.#stream.room
      this.#isBroken = false
      if (this.#subscriptions.length === 0) {
        // All were ended before they started.
        if (this.#starting !== undefined) this.#position = undefined
        this.#starting?.resolve()
        this.#starting = undefined
        if (this.#goLive()) break
        continue
      }
      const latestOnly = this.#stream.overflow === 'latest' && this.#starting === undefined
      const slice = await (latestOnly ? readLatest : readHistory)(this.#subscriptions, this.#position)
      if (this.#closed || !this.#reportLosses(slice)) return
      if (await this.#sendSlice(slice, latestOnly)) return this.#stream.complete()
      if (!slice.more && this.#goLive()) break
    }
    this.#catchingUp = false
  }

  /** @returns whether an entry ends the stream */
  async #sendSlice ({ entries, completeUpTo }: HistorySlice, filtered: boolean): Promise<boolean> {
    for (const { entry, subscription } of entries) {
      if (subscription.ended || (!filtered && !subscription.wants(entry))) continue
      const isLast = subscription.endsAfter(entry)
      const room = this.#stream.put(entry.frame(this.#stream.spaceAfterColon), entry.data === undefined ? 0 : 1)
      this.#sentId = entry.id
      if (isLast) return true
      if (room !== undefined) await room
    }
    this.#position = completeUpTo
    return false
  }

  /** Lets the channels deliver. @returns false if entries were published in the meantime, which must be read first */
  #goLive (): boolean {
    if (this.#requests.length > 0 || this.#isBroken) return false
    // Flushed while this subscriber is not live, so that it ignores pending entries: it has read them from the history.
    this.#fanOut.flush()
    if (this.#subscriptions.some(({ channel: { newest } }) => newest !== undefined && compareIds(newest, this.#position!) > 0)) return false
    // With a remote broker, entries may be in the history before they are delivered.
    for (const subscription of this.#subscriptions) {
      subscription.startAfter = compareIds(subscription.channel.position, this.#position!) < 0 ? this.#position : undefined
    }
    this.#mustReportGaps = false
    this.#live = true
    return true
  }

  /** Reports entries that the history has lost before the slice. @returns false if the stream ends because of them */
  #reportLosses (slice: HistorySlice): boolean {
    const losses = lossesAfter(this.#position, slice.pages)
    if (losses.gaps.length > 0 && !this.#mustReportGaps && this.#stream.overflow === 'close') {
      this.#stream.closeAsSlow()
      return false
    }
    this.#position = markerId(this.#position, losses.reset, slice)
    if (losses.reset || losses.gaps.length > 0 || this.#starting !== undefined) this.#sendMarker(losses)
    this.#starting?.resolve()
    this.#starting = undefined
    return true
  }

  #sendMarker (losses: Losses): void {
    if (losses.channels.length > 0) this.#stream.reportGap(losses.channels, losses.reset)
    if (!this.sendsMarkers) return
    this.#sentId = this.#position
    this.#stream.put(encodeMarker(losses, this.#position!, this.#stream.spaceAfterColon), 0)
  }

  // Subscribing

  async #process (request: SubscribeRequest): Promise<void> {
    const { subscriptions, parameters: { after, now, markers }, done } = request
    try {
      await request.ready
    } catch (error) {
      if (this.#closed) return
      this.#requests.shift()
      request.fail(error)
      throw error
    }
    if (this.#closed) return
    this.sendsMarkers = markers
    if (this.#subscriptions.length === 0 && this.#position === undefined) {
      // The marker is sent after the history was read, which shows what the client has missed.
      this.#starting = done
      this.#position = now && subscriptions.length > 0 ? subscriptions.map(({ channel }) => channel.position).reduce(laterId) : after
    } else {
      if (now) this.#startNow(subscriptions)
      else await this.#replayWithoutIds(subscriptions, after)
      if (this.#closed) return
      done.resolve()
    }
    this.#requests.shift()
    this.#subscriptions.push(...subscriptions.filter(({ ended }) => !ended))
  }

  #startNow (subscriptions: readonly Subscription[]): void {
    for (const subscription of subscriptions) subscription.startAfter = subscription.channel.position
    // Without other channels, nothing between the client's position and now is missing.
    if (this.#subscriptions.length === 0) this.#position = subscriptions.map(({ channel }) => channel.position).reduce(laterId, this.#position!)
    this.#sendMarker(NO_LOSSES)
  }

  async #replayWithoutIds (subscriptions: readonly Subscription[], after: string | undefined): Promise<void> {
    const pages = await readPages(subscriptions, after, this.#position)
    if (this.#closed) return
    this.#sendMarker(lossesAfter(after, pages))
    if (await replayWithoutIds(this.#stream, pages, this.#position!)) this.#stream.complete()
  }
}
