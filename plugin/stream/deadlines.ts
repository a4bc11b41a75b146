import { currentTime } from '../base/clock.ts'
import { WheelTimer, type TimerWheel } from '../base/timer-wheel.ts'
import type { StreamSettings } from './options.ts'
import type { Outbox } from './outbox.ts'

/** What deadlines do to their stream. */
export interface DeadlinesOwner {
  /** Sends a heartbeat. Called after enough silence, and only while the client reads. */
  sendHeartbeat (): void
  /** Called when the option `timeout` has passed, and a second time at the end of an extension. */
  timeOut (): void
  /** Ends the stream after everything that is queued. Called at `expiresAt`. */
  endWith (reason: 'expired'): void
  /** Bytes have been waiting for the client for a quarter of `stallTimeout`. Called again after each further quarter. */
  waiting (): void
  /** Ends the stream immediately. Called when the client has accepted nothing for `stallTimeout`. */
  cut (reason: 'slow'): void
}

/** How often the progress of a client is checked while bytes wait for it: at this part of `stallTimeout`. */
const CHECK_SHARE = 1 / 4

/** The timer of one open stream: it fires at the earliest of the heartbeat and all deadlines. */
export class Deadlines extends WheelTimer {
  readonly #owner: DeadlinesOwner
  readonly #settings: StreamSettings
  readonly #outbox: Outbox
  readonly #wheel: TimerWheel

  // Times are those of currentTime(); Infinity means never.
  #timeoutAt = Infinity
  #expiresAt = Infinity
  /** When the stream ended, and began to wait for its client to read what is queued. */
  #endedAt = Infinity
  /** When the client was last seen to take bytes, and the outbox's progress at that time. */
  #progressAt = 0
  #progress = 0
  #running = false

  constructor (owner: DeadlinesOwner, settings: StreamSettings, outbox: Outbox, wheel: TimerWheel) {
    super()
    this.#owner = owner
    this.#settings = settings
    this.#outbox = outbox
    this.#wheel = wheel
  }

  /**
   * The stream opens.
   *
   * @param isInjected whether it has no socket, which would keep the process alive until a deadline
   */
  begin (isInjected: boolean): void {
    const { timeout, expiresAt } = this.#settings
    const now = currentTime()
    this.#running = true
    // A stream that ended before it opened starts to wait for its client only now.
    if (this.#endedAt !== Infinity) this.#endedAt = now
    if (timeout > 0) this.#timeoutAt = now + timeout
    if (expiresAt !== undefined) this.#expiresAt = now + (Number(expiresAt) - Date.now())
    this.keepsAlive = isInjected && Math.min(this.#timeoutAt, this.#expiresAt) < Infinity
    this.update()
  }

  /** Moves the timeout to this many milliseconds from now. */
  extend (ms: number): void {
    this.#timeoutAt = currentTime() + ms
    this.update()
  }

  /** The stream has ended: only `stallTimeout` still applies. */
  end (): void {
    this.#endedAt = currentTime()
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
    const checkAt = this.#checkProgress(currentTime())
    this.#wheel.set(this, this.#endedAt === Infinity ? Math.min(checkAt, this.#timeoutAt, this.#expiresAt, this.#heartbeatAt) : checkAt)
  }

  fire (now: number): void {
    if (this.#checkProgress(now) <= now) this.#owner.cut('slow')
    else if (this.#endedAt === Infinity) {
      if (now >= this.#expiresAt) this.#owner.endWith('expired')
      else if (now >= this.#timeoutAt) this.#owner.timeOut()
      else if (now >= this.#heartbeatAt) this.#owner.sendHeartbeat()
      else if (now >= this.#outbox.fullSince + this.#settings.stallTimeout * CHECK_SHARE) this.#owner.waiting()
    }
    this.update()
  }

  /** @returns when the client's progress must be checked again; if that has come, the client has stalled */
  #checkProgress (now: number): number {
    const waitingSince = Math.min(this.#outbox.fullSince, this.#endedAt)
    if (waitingSince === Infinity) return Infinity
    const { progress } = this.#outbox
    if (progress !== this.#progress) {
      this.#progress = progress
      this.#progressAt = now
    }
    const { stallTimeout } = this.#settings
    const stallAt = Math.max(waitingSince, this.#progressAt) + stallTimeout
    return Math.min(stallAt, now + stallTimeout * CHECK_SHARE)
  }

  /** Never while the connection is full: the client would receive the heartbeat late. */
  get #heartbeatAt (): number {
    const { heartbeat } = this.#settings
    const { fullSince, lastWrite } = this.#outbox
    return heartbeat > 0 && fullSince === Infinity ? lastWrite + heartbeat : Infinity
  }
}
