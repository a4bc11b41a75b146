import { constants } from 'node:buffer'
import { currentTime } from '../base/clock.ts'
import { Deferred } from '../base/deferred.ts'
import { atEndOfTick, atEndOfTurn, type TickTask, type TurnTask } from '../base/event-loop.ts'
import type { SharedText } from '../wire/shared-text.ts'
import { COMMENT } from './heartbeat.ts'
import type { Transport } from './transport.ts'

/** Once this many characters wait, they are written immediately instead of at the end of the callback. */
const BATCH = 16 * 1024
/** The fraction of the limit at which the transport counts as full. */
const TRANSPORT_SHARE = 1 / 2
/** The maximum size of a batch as a fraction of the limit. The remaining quarter leaves room for one more event. */
const BATCH_SHARE = 1 / 4

/** Characters that a transport adds to text, at most. */
const FRAMING = 64

/** What an outbox tells its stream. */
export interface OutboxOwner {
  /** The connection has become full, or is no longer full: `fullSince` has changed. */
  pressureChanged (): void
  /** Called after `finish`, once everything has been handed to the transport. */
  finished (): void
}

/**
 * Text on its way to one client. Text that is added during one callback of the event loop is written in one piece. While
 * the connection is full, text waits here, because one string costs less than many small writes.
 */
export class Outbox implements TickTask, TurnTask {
  readonly #owner: OutboxOwner
  readonly #limit: number
  readonly #batch: number
  #transport: Transport | undefined
  /** Text that waits to be written. With a transport, `put` hands it over once it is as long as a batch. */
  #text = ''
  /** The length of `#text` in bytes while there is no transport. */
  #pendingBytes = 0
  /** Whether `endTick` is scheduled. */
  #tickScheduled = false
  /** Whether a batch was written during this turn of the event loop. `endTurn` is then scheduled, and senders wait for it. */
  #yielding = false
  #finishing = false
  /** What senders await while there is no room. One promise for all, however many sends wait. */
  #room: Deferred<void> | undefined

  /** Bytes handed to the transport. */
  bytes = 0
  /** The time from which the next heartbeat is counted, from `currentTime()`: of the last write, drain or opening. */
  lastWrite = 0
  /** When the connection became full, from `currentTime()`; Infinity while it is not full. */
  fullSince = Infinity

  /** @param limit the maximum number of bytes that wait for the client */
  constructor (owner: OutboxOwner, limit: number) {
    this.#owner = owner
    this.#limit = limit
    this.#batch = Math.min(BATCH, limit * BATCH_SHARE)
  }

  /** Bytes that wait for the client, here and in the transport. */
  get queued (): number {
    return Buffer.byteLength(this.#text) + (this.#transport?.queued ?? 0)
  }

  /** A number that changes whenever the client's connection accepts bytes. */
  get progress (): number {
    return this.#transport?.progress ?? 0
  }

  /** Starts to write. @param preamble is written before everything that was added so far */
  attach (transport: Transport, preamble: string): void {
    this.#transport = transport
    transport.begin(this.#limit * TRANSPORT_SHARE, () => this.#drained())
    this.#text = preamble + this.#text
    this.lastWrite = currentTime()
    // At the end of the tick, even without text, so that the headers are sent together with the handler's first events.
    this.#scheduleEndOfTick()
  }

  /**
   * Adds text that must be written in one piece.
   *
   * @returns false if the text was not added because more bytes than the limit would be queued. While there is room, text
   *   of any size is added, so that a sender that awaits room is never refused.
   */
  put (text: string): boolean {
    if (!this.#reserve(text)) return false
    this.#text += text
    this.#scheduleEndOfTick()
    if (this.#transport !== undefined && this.#text.length >= this.#batch) {
      this.#yieldTurn()
      this.#send(this.#transport)
    }
    return true
  }

  /**
   * Immediately writes what waits, and then text that is shared with other clients.
   *
   * @param now the time of `currentTime()`
   * @returns false if nothing was written because there is no room
   */
  sendShared (text: SharedText, now: number): boolean {
    const transport = this.#transport
    if (transport === undefined || transport.full) return false
    if (this.#text !== '') this.#write(transport, this.#takeText())
    this.#write(transport, text)
    this.#flush(transport, now)
    return true
  }

  /** Immediately writes the text that waits, or the heartbeat if there is none. Either keeps the connection alive. */
  keepAlive (heartbeat: string | SharedText): void {
    const transport = this.#transport
    if (transport === undefined) return
    this.#write(transport, this.#text === '' ? heartbeat : this.#takeText())
    this.#flush(transport, currentTime())
  }

  /** Resolves when there is room for more; undefined while there is. Rejects if the outbox closes with undelivered text. */
  get room (): Promise<void> | undefined {
    if (this.#transport !== undefined && this.#hasRoom(this.#transport)) return undefined
    this.#room ??= new Deferred()
    return this.#room.promise
  }

  /** At the end of the tick, hands everything to the transport, even if it is full. Nothing may be added afterwards. */
  finish (): void {
    this.#finishing = true
    this.#scheduleEndOfTick()
  }

  /** Discards what is left. @param reason returns the error for senders that wait; undefined if everything was delivered */
  close (reason: (() => Error) | undefined): void {
    this.#transport = undefined
    this.#text = ''
    if (reason === undefined) this.#room?.resolve()
    else this.#room?.reject(reason())
    this.#room = undefined
  }

  endTick (): void {
    this.#tickScheduled = false
    const transport = this.#transport
    if (transport === undefined) return
    // A channel may still have the first event in this turn.
    if (this.#hasSentNothing) atEndOfTurn(this)
    else if (this.#finishing || !transport.full) this.#send(transport)
    if (this.#finishing) transport.finish(() => this.#owner.finished())
    else this.#settleRoom(transport)
  }

  endTurn (): void {
    this.#yielding = false
    const transport = this.#transport
    if (transport === undefined) return
    if (this.#hasSentNothing) {
      // Some proxies forward the headers only with the first byte of the body.
      this.#write(transport, COMMENT)
      this.#flush(transport, currentTime())
    }
    this.#settleRoom(transport)
  }

  /** Whether the stream has opened without an event. */
  get #hasSentNothing (): boolean {
    return this.bytes === 0 && this.#text === '' && !this.#finishing
  }

  #yieldTurn (): void {
    if (this.#yielding) return
    this.#yielding = true
    atEndOfTurn(this)
  }

  #drained (): void {
    const transport = this.#transport
    if (transport === undefined) return
    this.fullSince = Infinity
    this.lastWrite = currentTime()
    this.#send(transport)
    this.#settleRoom(transport)
    this.#owner.pressureChanged()
  }

  #send (transport: Transport): void {
    if (this.#text !== '') this.#write(transport, this.#takeText())
    this.#flush(transport, currentTime())
  }

  #takeText (): string {
    const text = this.#text
    this.#text = ''
    return text
  }

  #write (transport: Transport, text: string | SharedText): void {
    this.bytes += transport.write(text)
  }

  /** Flushes the transport after a group of writes, and records whether it has become full. */
  #flush (transport: Transport, now: number): void {
    transport.flush()
    this.lastWrite = now
    if (transport.full && this.fullSince === Infinity) {
      this.fullSince = now
      this.#owner.pressureChanged()
    }
  }

  #settleRoom (transport: Transport): void {
    if (!this.#hasRoom(transport)) return
    this.#room?.resolve()
    this.#room = undefined
  }

  #hasRoom (transport: Transport): boolean {
    return !this.#yielding && !transport.full
  }

  #reserve (text: string): boolean {
    // Text that waits is one string, and the transport adds to it.
    if (this.#text.length + text.length > constants.MAX_STRING_LENGTH - FRAMING) return false
    if (this.#transport === undefined) {
      this.#pendingBytes += Buffer.byteLength(text)
      return this.#text === '' || this.#pendingBytes <= this.#limit
    }
    return this.#hasRoom(this.#transport) || this.queued + Buffer.byteLength(text) <= this.#limit
  }

  #scheduleEndOfTick (): void {
    if (this.#tickScheduled) return
    this.#tickScheduled = true
    atEndOfTick(this)
  }
}
