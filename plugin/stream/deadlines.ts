import { WheelTimer, type TimerWheel } from '../base/timer-wheel.ts'
import type { StreamSettings } from './options.ts'
import type { Outbox } from './outbox.ts'

/** What deadlines do to their stream. */
export interface DeadlinesOwner {
  /** Sends a heartbeat. Called after enough silence, and only while the client reads. */
  beat (): void
  /** Called when the option `timeout` has passed, and a second time at the end of an extension. */
  timeOut (): void
  /** Ends the stream after everything that is queued. Called at `expiresAt`. */
  expire (): void
  /** Ends the stream immediately. Called after `stallTimeout` without progress. */
  cut (reason: 'slow'): void
}

/** The timer of one open stream: it fires at the earliest of the heartbeat and all deadlines. */
export class Deadlines extends WheelTimer {
  readonly #owner: DeadlinesOwner
  readonly #settings: StreamSettings
  readonly #outbox: Outbox
  readonly #wheel: TimerWheel

  // Times are those of performance.now(); Infinity means never.
  #timeoutAt = Infinity
  #expiresAt = Infinity
  /** When the stream ended, and began to wait for its client to read what is queued. */
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
    // A stream that ended before it opened starts to wait for its client only now.
    if (this.#endedAt !== Infinity) this.#endedAt = now
    if (timeout > 0) this.#timeoutAt = now + timeout
    if (expiresAt !== undefined) this.#expiresAt = now + (Number(expiresAt) - Date.now())
    this.update()
  }

  /** Moves the timeout to this many milliseconds from now. */
  extend (ms: number): void {
    this.#timeoutAt = performance.now() + ms
    this.update()
  }

  /** The stream has ended: only `stallTimeout` still applies. */
  end (): void {
    this.#endedAt = performance.now()
    this.update()
  }

  /** The connection is closed. */
  clear (): void {
    this.#running = false
    this.#wheel.clear(this)
  }

  /** The outbox has become full, or is no longer full. */
  update (): void {
    if (!this.#running) return
    const { fullSince } = this.#outbox
    const stallAt = Math.min(fullSince, this.#endedAt) + this.#settings.stallTimeout
    this.#wheel.set(this, this.#endedAt === Infinity ? Math.min(stallAt, this.#timeoutAt, this.#expiresAt, this.#heartbeatAt) : stallAt)
  }

  fire (now: number): void {
    const { fullSince } = this.#outbox
    if (now >= Math.min(fullSince, this.#endedAt) + this.#settings.stallTimeout) this.#owner.cut('slow')
    else if (this.#endedAt === Infinity) {
      if (now >= this.#expiresAt) this.#owner.expire()
      else if (now >= this.#timeoutAt) this.#owner.timeOut()
      else if (now >= this.#heartbeatAt) this.#owner.beat()
    }
    this.update()
  }

  /** Never while the connection is full: the client would receive the heartbeat late. */
  get #heartbeatAt (): number {
    const { heartbeat } = this.#settings
    const { fullSince, lastWrite } = this.#outbox
    return heartbeat > 0 && fullSince === Infinity ? lastWrite + heartbeat : Infinity
  }
}
