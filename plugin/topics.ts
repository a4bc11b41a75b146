import type { SseBroker } from './broker.ts'
import { Topic, type Delivery, type TopicOwner } from './topic.ts'
import { atEndOfTurn, type TurnTask } from './turn.ts'

/**
 * The topics that somebody follows in this process, and the time at which they deliver.
 *
 * What is published in one turn of the event loop is delivered together at its end, with all topics at once: a follower
 * of several gets it in the order of ids. What is published while that takes its time is one batch again.
 */
export class Topics implements TopicOwner, TurnTask {
  readonly broker: SseBroker
  readonly #topics = new Map<string, Topic>()
  /** Topics that have something to deliver. */
  #dirty: Topic[] = []
  #delivering = false

  constructor (broker: SseBroker) {
    this.broker = broker
  }

  [Symbol.iterator] (): Iterator<Topic> {
    return this.#topics.values()
  }

  /** The topic of a channel, which is subscribed to at the broker from now on, until nobody follows it any more. */
  get (name: string): Topic {
    let topic = this.#topics.get(name)
    if (topic === undefined) {
      topic = new Topic(name, this)
      this.#topics.set(name, topic)
    }
    return topic
  }

  /** How many follow a channel here. */
  sizeOf (name: string): number {
    return this.#topics.get(name)?.size ?? 0
  }

  noteDirty (topic: Topic): void {
    if (this.#dirty.push(topic) === 1) atEndOfTurn(this)
  }

  forget (topic: Topic): void {
    if (this.#topics.get(topic.name) === topic) this.#topics.delete(topic.name)
  }

  endTurn (): void {
    this.flush()
  }

  flush (): void {
    // A follower's filter may publish; that waits for the end of the turn.
    if (this.#delivering || this.#dirty.length === 0) return
    const dirty = this.#dirty
    this.#dirty = []
    this.#delivering = true
    for (const topic of dirty) topic.seal()
    const delivery: Delivery = { now: performance.now() }
    for (const topic of dirty) topic.deliver(delivery)
    for (const topic of dirty) topic.batch = undefined
    this.#delivering = false
  }
}
