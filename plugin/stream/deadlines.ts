import type { StreamSettings } from './options.ts'
import type { Outbox } from './outbox.ts'
import { WheelTimer, type TimerWheel } from '../base/timer-wheel.ts'

/** Whose deadlines these are. */
export interface DeadlinesOwner {
  /** There was silence for long enough, and the client takes what it is sent. */
  beat (): void
  /** The stream's lifetime is over. */
  timeOut (): void
  /** What the stream was for has expired. */
  expire (): void
  /** The client has taken nothing for too long. */
  stall (): void
}

/** What is due for one open stream, and when. The soonest of all is what hangs on the wheel. */
export class Deadlines extends WheelTimer {
  readonly #owner: DeadlinesOwner
  readonly #settings: StreamSettings
  readonly #outbox: Outbox
  readonly #wheel: TimerWheel

  // Moments by performance.now(); Infinity for never.
  #timeoutAt = Infinity
  #expiresAt = Infinity
  /** When the stream ended, and began to wait for its client to take what is left. */
  #endedAt = Infinity
  #running = false

  constructor (owner: DeadlinesOwner, settings: StreamSettings, outbox: Outbox, wheel: TimerWheel) {
    super()
    this.#owner = owner
    this.#settings = settings
    this.#outbox = outbox
    this.#wheel = wheel
  }

  /** The stream opens. */
  begin (): void {
    const { timeout, expiresAt } = this.#settings
    const now = performance.now()
    this.#running = true
    // Ended before it opened, it has not been waiting for its client.
    if (this.#endedAt !== Infinity) this.#endedAt = now
    if (timeout > 0) this.#timeoutAt = now + timeout
    if (expiresAt !== undefined) this.#expiresAt = now + (Number(expiresAt) - Date.now())
    this.update()
  }

  /** Moves the end of the stream's lifetime to so many milliseconds from now. */
  extend (ms: number): void {
    this.#timeoutAt = performance.now() + ms
    this.update()
  }

  /** The stream has ended: it only has to be taken. */
  end (): void {
    this.#endedAt = performance.now()
    this.update()
  }

  /** The connection is over. */
  clear (): void {
    this.#running = false
    this.#wheel.clear(this)
  }

  /** Something has changed that may be due sooner: the outbox is full, or not any more. */
  update (): void {
    if (!this.#running) return
    const { fullSince } = this.#outbox
    const stallAt = Math.min(fullSince, this.#endedAt) + this.#settings.stallTimeout
    this.#wheel.set(this, this.#endedAt === Infinity ? Math.min(stallAt, this.#timeoutAt, this.#expiresAt, this.#beatAt) : stallAt)
  }

  fire (now: number): void {
    const { fullSince } = this.#outbox
    if (now >= Math.min(fullSince, this.#endedAt) + this.#settings.stallTimeout) this.#owner.stall()
    else if (this.#endedAt === Infinity) {
      if (now >= this.#expiresAt) this.#owner.expire()
      else if (now >= this.#timeoutAt) this.#owner.timeOut()
      else if (now >= this.#beatAt) this.#owner.beat()
    }
    this.update()
  }

  /** After silence. Never into a full connection. */
  get #beatAt (): number {
    const { heartbeat } = this.#settings
    const { fullSince, lastWrite } = this.#outbox
    return heartbeat > 0 && fullSince === Infinity ? lastWrite + heartbeat : Infinity
  }
}
