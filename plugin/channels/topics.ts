import type { SseBroker } from './broker.ts'
import { Topic, type Delivery, type TopicOwner } from './topic.ts'
import { atEndOfTick, atEndOfTurn, type TickTask, type TurnTask } from '../base/event-loop.ts'

/**
 * Followers of whom none waits for what others publish in the same turn: to write to them twice costs less than to let
 * them wait while the event loop is busy.
 */
const FEW = 8

/**
 * The topics that somebody follows in this process, and the time at which they deliver.
 *
 * What is published in one turn of the event loop, or in one of its callbacks where few follow, is delivered together at
 * its end, with all topics at once: a follower of several gets it in the order of ids. What is published while that takes
 * its time is one batch again.
 */
export class Topics implements TopicOwner, TickTask, TurnTask {
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
    if (this.#dirty.push(topic) > 1) return
    // What a follower's filter publishes lets the event loop go round first: it may publish each time.
    if (topic.size <= FEW && !this.#delivering) atEndOfTick(this)
    else atEndOfTurn(this)
  }

  forget (topic: Topic): void {
    if (this.#topics.get(topic.name) === topic) this.#topics.delete(topic.name)
  }

  endTick (): void {
    this.flush()
  }

  endTurn (): void {
    this.flush()
  }

  flush (): void {
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
