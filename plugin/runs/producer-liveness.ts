import { randomUUID } from 'node:crypto'
import { currentTime } from '../base/clock.ts'
import type { SseBroker, SseBrokerListener, SseBrokerSubscription, SseHistory } from '../channels/broker.ts'
import type { SsePayload } from '../wire/entry.ts'
import { WheelTimer, type TimerWheel } from '../base/timer-wheel.ts'

/**
 * Detects that a process died while it was producing runs. With a shared broker, such a process publishes heartbeats to
 * a channel of its own; the first entry of each run names the process. Processes with viewers of the run subscribe to
 * that channel.
 *
 * A dead process is noticed about 11 seconds after its last heartbeat: MAX_SILENCE plus CONFIRMATION_DELAY, plus the time
 * that the broker takes to respond.
 */

/** Milliseconds between two heartbeats. */
export const HEARTBEAT_INTERVAL = 3_000

/** Milliseconds after which a heartbeat that the broker has rejected is repeated, in case its outage is short. */
const RETRY_INTERVAL = 500

/** Milliseconds without a heartbeat until the broker is checked. */
export const MAX_SILENCE = 6_500

/** Milliseconds in which a heartbeat must arrive after the broker has responded. */
export const CONFIRMATION_DELAY = 4_500

const NO_HISTORY: SseHistory = { count: 0, age: 0, bytes: 0 }
const HEARTBEAT: SsePayload = { comment: 'alive' }

export interface LivenessOwner {
  readonly broker: SseBroker
  readonly wheel: TimerWheel
}

function heartbeatChannel (processId: string): string {
  return `alive:${processId}`
}

/** Publishes the heartbeats of this process while it has runs. */
export class ProducerHeartbeat extends WheelTimer {
  /** A random id of this process; undefined if the broker is not shared, because then no other process needs it. */
  readonly processId: string | undefined
  readonly #owner: LivenessOwner
  readonly #hasRuns: () => boolean

  constructor (owner: LivenessOwner, hasRuns: () => boolean) {
    super()
    this.#owner = owner
    this.#hasRuns = hasRuns
    this.processId = owner.broker.shared === true ? randomUUID() : undefined
  }

  /** Starts the heartbeats, unless they have been started. They stop when the process has no runs. */
  start (): void {
    if (this.processId !== undefined && this.dueAt === Infinity) this.fire(currentTime())
  }

  stop (): void {
    this.#owner.wheel.clear(this)
  }

  fire (now: number): void {
    if (!this.#hasRuns()) return
    this.#owner.wheel.set(this, now + HEARTBEAT_INTERVAL)
    this.#owner.broker.publish(heartbeatChannel(this.processId!), HEARTBEAT, { history: NO_HISTORY }).catch(() => {
      const isStopped = this.dueAt === Infinity
      if (!isStopped) this.#owner.wheel.set(this, currentTime() + RETRY_INTERVAL)
    })
  }
}

/** Watches the heartbeats of another process. */
export class ProducerWatch extends WheelTimer implements SseBrokerListener {
  readonly #owner: LivenessOwner
  readonly #channel: string
  readonly #onLost: () => Promise<void>
  #subscription: Promise<SseBrokerSubscription> | undefined
  /** When the process was last known or assumed to be alive. */
  #aliveAt = 0
  /** Whether the broker has responded since then, which rules it out as the cause of the silence. */
  #brokerResponded = false

  /** @param onLost called when the process is considered dead, and again from time to time until `stop()` is called */
  constructor (owner: LivenessOwner, processId: string, onLost: () => Promise<void>) {
    super()
    this.#owner = owner
    this.#channel = heartbeatChannel(processId)
    this.#onLost = onLost
  }

  start (): void {
    this.#subscription = this.#owner.broker.subscribe(this.#channel, this)
    // Subscribing fails only when the broker is closed, and then there is nothing left to watch.
    this.#subscription.catch(() => {})
    this.#assumeAlive()
    this.#owner.wheel.set(this, this.#aliveAt + MAX_SILENCE)
  }

  stop (): void {
    this.#owner.wheel.clear(this)
    this.#subscription?.then(subscription => subscription.unsubscribe(), () => {})
    this.#subscription = undefined
  }

  onEntry (): void {
    this.#assumeAlive()
  }

  onBreak (): void {
    // Heartbeats may have been missed.
    this.#assumeAlive()
  }

  #assumeAlive (): void {
    this.#aliveAt = currentTime()
    this.#brokerResponded = false
  }

  fire (now: number): void {
    if (now < this.#aliveAt + MAX_SILENCE) this.#owner.wheel.set(this, this.#aliveAt + MAX_SILENCE)
    else if (this.#brokerResponded) this.#continueAfter(this.#onLost(), MAX_SILENCE)
    else this.#continueAfter(this.#checkBroker(), CONFIRMATION_DELAY)
  }

  async #checkBroker (): Promise<void> {
    const aliveAt = this.#aliveAt
    await this.#owner.broker.replay(this.#channel, undefined, 1)
    this.#brokerResponded = this.#aliveAt === aliveAt
  }

  /** Sets the timer again when a step is complete, unless watching was stopped in the meantime. */
  async #continueAfter (step: Promise<void>, ms: number): Promise<void> {
    const subscription = this.#subscription
    try {
      await step
    } catch {
      this.#assumeAlive()
    }
    if (this.#subscription === subscription) this.#owner.wheel.set(this, currentTime() + ms)
  }
}
