import { currentTime } from '../base/clock.ts'
import { WheelTimer, type TimerWheel } from '../base/timer-wheel.ts'
import { compareIds, epochOf } from '../wire/event-id.ts'
import { CHANNELS_PER_COMMAND } from './batches.ts'
import type { Listeners } from './listeners.ts'
import type { Markers } from './delivery-markers.ts'
import type { SubscribedChannel } from './subscribed-channel.ts'

/** Milliseconds after which `probeSoon` probes. */
const SOON = 100

export interface SubscriptionProbeOptions {
  readonly wheel: TimerWheel
  /** Milliseconds between probes. */
  readonly interval: number
  readonly markers: Markers
  readonly listeners: Listeners
  /** Whether to skip probes for now. */
  readonly isPaused: () => boolean
  /** Called when a published entry was not received. */
  readonly onLoss: () => void
}

/**
 * Checks periodically that the connection still receives what is published: sends a marker, and compares the last ids of
 * some channels with what has arrived before it.
 */
export class SubscriptionProbe extends WheelTimer {
  readonly #options: SubscriptionProbeOptions
  /** The channels that are checked next. */
  #remaining: Iterator<SubscribedChannel>

  constructor (options: SubscriptionProbeOptions) {
    super()
    this.#options = options
    this.#remaining = options.listeners.channels.values()
  }

  start (): void {
    this.#schedule(this.#options.interval)
  }

  probeSoon (): void {
    this.#schedule(SOON)
  }

  stop (): void {
    this.#options.wheel.clear(this)
  }

  fire (): void {
    this.#schedule(this.#options.interval)
    if (!this.#options.isPaused()) this.#probe()
  }

  #schedule (delay: number): void {
    this.#options.wheel.set(this, Math.min(currentTime() + delay, this.dueAt))
  }

  async #probe (): Promise<void> {
    const { markers, isPaused, onLoss } = this.#options
    const channels = this.#nextChannels()
    const marker = markers.create(() => {})
    try {
      const { lastIds } = await markers.send(marker, channels.map(({ name }) => name))
      if (!isPaused() && lastIds.some((lastId, index) => isMissing(lastId, channels[index]!))) onLoss()
    } catch {
      // The connection is lost, which is handled elsewhere.
      markers.cancel(marker)
    }
  }

  #nextChannels (): SubscribedChannel[] {
    const channels: SubscribedChannel[] = []
    while (channels.length < CHANNELS_PER_COMMAND) {
      const { done, value } = this.#remaining.next()
      if (done === true) {
        this.#remaining = this.#options.listeners.channels.values()
        break
      }
      if (value.position !== undefined) channels.push(value)
    }
    return channels
  }
}

/** Whether the last entry of a channel was not received. */
function isMissing (lastId: string | undefined, { subscriptions, position }: SubscribedChannel): boolean {
  return subscriptions.size > 0 && lastId !== undefined && epochOf(lastId) === epochOf(position!) && compareIds(lastId, position!) > 0
}
