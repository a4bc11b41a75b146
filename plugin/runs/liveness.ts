import { randomUUID } from 'node:crypto'
import type { SseBroker, SseBrokerListener, SseBrokerSubscription, SseHistory } from '../channels/broker.ts'
import type { SsePayload } from '../wire/entry.ts'
import { WheelTimer, type TimerWheel } from '../base/timer-wheel.ts'

/**
 * How a process that produces runs tells the others that it lives, where a broker is shared: by a beat, on a channel of
 * its own that keeps no history. A run's first entry says which process that is.
 */

/** Milliseconds between two beats. */
export const BEAT = 3_000
/** Milliseconds without a beat until it is asked whether the broker is to blame, and then until a process is lost. */
export const SILENCE = 6_500
export const DOUBT = 4_500

const NOTHING: SseHistory = { count: 0, age: 0, bytes: 0 }
const ALIVE: SsePayload = { comment: 'alive' }

/** What a pulse needs of its application. */
export interface LivenessOwner {
  readonly broker: SseBroker
  readonly wheel: TimerWheel
}

function pulseChannel (name: string): string {
  return `alive:${name}`
}

/** The beats of this process, while there is something to live for. */
export class ProducerHeartbeat extends WheelTimer {
  /** Of this process; undefined where nobody else could hear it. */
  readonly name: string | undefined
  readonly #owner: LivenessOwner
  readonly #wanted: () => boolean

  /** @param wanted whether there is anything that ends with this process */
  constructor (owner: LivenessOwner, wanted: () => boolean) {
    super()
    this.#owner = owner
    this.#wanted = wanted
    this.name = owner.broker.shared === true ? randomUUID() : undefined
  }

  /** To be called when there is something. */
  begin (): void {
    if (this.name !== undefined && this.dueAt === Infinity) this.fire(performance.now())
  }

  stop (): void {
    this.#owner.wheel.clear(this)
  }

  fire (now: number): void {
    if (!this.#wanted()) return
    this.#owner.wheel.set(this, now + BEAT)
    // One that is lost is followed by another.
    this.#owner.broker.publish(pulseChannel(this.name!), ALIVE, { history: NOTHING }).catch(() => {})
  }
}

/** Listens whether another process lives, until it does not, or nobody wants to know. */
export class ProducerWatch extends WheelTimer implements SseBrokerListener {
  readonly #owner: LivenessOwner
  readonly #channel: string
  readonly #lost: () => Promise<void>
  #subscribed: Promise<SseBrokerSubscription> | undefined
  #heardAt = 0
  /** The broker has answered after the silence. */
  #doubted = false

  /** @param lost called when the process is gone; where it rejects, it is called again if the process stays silent */
  constructor (owner: LivenessOwner, name: string, lost: () => Promise<void>) {
    super()
    this.#owner = owner
    this.#channel = pulseChannel(name)
    this.#lost = lost
  }

  begin (): void {
    this.#subscribed = this.#owner.broker.subscribe(this.#channel, this)
    // Then the broker is closed, and with it what is watched.
    this.#subscribed.catch(() => {})
    this.#hear()
    this.#owner.wheel.set(this, this.#heardAt + SILENCE)
  }

  stop (): void {
    this.#owner.wheel.clear(this)
    this.#subscribed!.then(subscription => subscription.unsubscribe(), () => {})
    this.#subscribed = undefined
  }

  onEntry (): void {
    this.#hear()
  }

  onBreak (): void {
    this.#hear()
  }

  #hear (): void {
    this.#heardAt = performance.now()
    this.#doubted = false
  }

  fire (now: number): void {
    if (now < this.#heardAt + SILENCE) this.#owner.wheel.set(this, this.#heardAt + SILENCE)
    else if (this.#doubted) this.#goOn(this.#lost(), SILENCE)
    else this.#goOn(this.#doubt(), DOUBT)
  }

  /** The silence may be the broker's: only when that has answered, and another beat should have come, it is not. */
  async #doubt (): Promise<void> {
    const heardAt = this.#heardAt
    await this.#owner.broker.replay(this.#channel, undefined, 1)
    this.#doubted = this.#heardAt === heardAt
  }

  async #goOn (step: Promise<void>, ms: number): Promise<void> {
    const subscribed = this.#subscribed
    try {
      await step
    } catch {
      this.#hear()
    }
    if (this.#subscribed === subscribed) this.#owner.wheel.set(this, performance.now() + ms)
  }
}
