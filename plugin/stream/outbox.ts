import { Deferred } from '../base/deferred.ts'
import type { SharedText } from '../wire/shared-text.ts'
import type { Transport } from './transport.ts'
import { atEndOfTick, atEndOfTurn, type TickTask, type TurnTask } from '../base/event-loop.ts'

/** Characters after which what was put in during one callback leaves without waiting for its end. */
const BATCH = 16 * 1024
/** Parts of the limit: what may wait below while there is room, and what may wait here. An event of the rest fits surely. */
const FULL = 1 / 2
const FULL_HERE = 1 / 4

/** Who an outbox works for. */
export interface OutboxOwner {
  /** The client has begun to hold the connection up, or has ceased to: `fullSince` has changed. */
  pressureChanged (): void
  /** After `finish`: the transport has all there was. */
  finished (): void
}

/**
 * What is on its way to one client. Text that is put in during one callback of the event loop leaves as one piece. While
 * the connection is full, it stays here, as text rather than as many small writes.
 */
export class Outbox implements TickTask, TurnTask {
  readonly #owner: OutboxOwner
  readonly #limit: number
  readonly #batch: number
  #transport: Transport | undefined
  /** Shorter than a batch, except before there is a transport. */
  #text = ''
  /** Bytes in `#text` while there is no transport. */
  #held = 0
  /** Whether `endTick` is coming. */
  #dirty = false
  /** Whether a batch has left in this turn, and `endTurn` is coming: a sender has to let the event loop go round. */
  #crowded = false
  #finishing = false
  /** What senders wait for while there is no room. One for all, so that a thousand sends cost no more than one. */
  #room: Deferred<void> | undefined

  /** Bytes handed to the transport. */
  bytes = 0
  /** When the last of them were, by `performance.now()`. */
  lastWrite = 0
  /** Since when the connection has been full; Infinity while it is not. */
  fullSince = Infinity

  /** @param limit bytes that may wait for the client */
  constructor (owner: OutboxOwner, limit: number) {
    this.#owner = owner
    this.#limit = limit
    this.#batch = Math.min(BATCH, limit * FULL_HERE)
  }

  /** Bytes that wait for the client, here and below. */
  get queued (): number {
    return Buffer.byteLength(this.#text) + (this.#transport?.queued ?? 0)
  }

  /** Begins to send. @param preamble goes before everything that was put in so far */
  attach (transport: Transport, preamble: string): void {
    this.#transport = transport
    transport.begin(this.#limit * FULL, () => this.#drained())
    this.#text = preamble + this.#text
    this.lastWrite = performance.now()
    // The headers wait for what the handler sends right away.
    this.#atEndOfTick()
  }

  /**
   * Takes text that has to leave in one piece.
   *
   * @returns false if it does not fit, because more than the limit would wait. While there is room, everything does:
   *   what is large then may exceed the limit, so that who waits for room is never refused.
   */
  put (text: string): boolean {
    if (!this.#fits(text)) return false
    this.#text += text
    this.#atEndOfTick()
    if (this.#transport !== undefined && this.#text.length >= this.#batch) {
      this.#crowd()
      this.#send(this.#transport)
    }
    return true
  }

  /**
   * Sends now what goes to many clients, after everything that was put in.
   *
   * @param now by `performance.now()`
   * @returns false if nothing was taken, because there is no room
   */
  share (text: SharedText, now: number): boolean {
    const transport = this.#transport
    if (transport === undefined || transport.full) return false
    if (this.#text !== '') this.#write(transport, this.#take())
    this.#write(transport, text)
    this.#sent(transport, now)
    return true
  }

  /** Sends a heartbeat now, unless there is something else to send, which serves as well. */
  keepAlive (heartbeat: string | SharedText): void {
    const transport = this.#transport
    if (transport === undefined) return
    this.#write(transport, this.#text === '' ? heartbeat : this.#take())
    this.#sent(transport, performance.now())
  }

  /** Settles when there is room for more; undefined where there is. Rejects when the outbox is closed before. */
  get room (): Promise<void> | undefined {
    if (this.#transport !== undefined && this.#hasRoom(this.#transport)) return undefined
    this.#room ??= new Deferred()
    return this.#room.promise
  }

  /** Lets what is in here leave, however full the connection, and nothing after it. */
  finish (): void {
    this.#finishing = true
    this.#atEndOfTick()
  }

  /** Drops what is left. @param reason gives the error for who waits for room; undefined where all has left */
  close (reason: (() => Error) | undefined): void {
    this.#transport = undefined
    this.#text = ''
    if (reason === undefined) this.#room?.resolve()
    else this.#room?.reject(reason())
    this.#room = undefined
  }

  endTick (): void {
    this.#dirty = false
    const transport = this.#transport
    if (transport === undefined) return
    if (this.#finishing || !transport.full) this.#send(transport)
    if (this.#finishing) this.#owner.finished()
    else this.#makeRoom(transport)
  }

  endTurn (): void {
    this.#crowded = false
    if (this.#transport !== undefined) this.#makeRoom(this.#transport)
  }

  #crowd (): void {
    if (this.#crowded) return
    this.#crowded = true
    atEndOfTurn(this)
  }

  #drained (): void {
    const transport = this.#transport
    if (transport === undefined) return
    this.fullSince = Infinity
    this.lastWrite = performance.now()
    this.#send(transport)
    this.#makeRoom(transport)
    this.#owner.pressureChanged()
  }

  #send (transport: Transport): void {
    if (this.#text !== '') this.#write(transport, this.#take())
    this.#sent(transport, performance.now())
  }

  #take (): string {
    const text = this.#text
    this.#text = ''
    return text
  }

  #write (transport: Transport, text: string | SharedText): void {
    this.bytes += transport.write(text)
  }

  /** Nothing more comes for now. */
  #sent (transport: Transport, now: number): void {
    transport.flush()
    this.lastWrite = now
    if (transport.full && this.fullSince === Infinity) {
      this.fullSince = now
      this.#owner.pressureChanged()
    }
  }

  #makeRoom (transport: Transport): void {
    if (!this.#hasRoom(transport)) return
    this.#room?.resolve()
    this.#room = undefined
  }

  #hasRoom (transport: Transport): boolean {
    return !this.#crowded && !transport.full
  }

  #fits (text: string): boolean {
    if (this.#transport === undefined) {
      this.#held += Buffer.byteLength(text)
      return this.#text === '' || this.#held <= this.#limit
    }
    return this.#hasRoom(this.#transport) || this.queued + Buffer.byteLength(text) <= this.#limit
  }

  #atEndOfTick (): void {
    if (this.#dirty) return
    this.#dirty = true
    atEndOfTick(this)
  }
}
