import type { EventEmitter } from 'node:events'
import { Stream } from 'node:stream'
import type { Destination } from '../stream/transport.ts'

/** Who takes over when a body is to be piped. */
export interface BodyOwner {
  /** @param end whether the destination ends with the body */
  bodyPiped (body: Body, destination: Destination, end: boolean): void
}

/** What `stream.finished` listens to on a response. */
const WATCHED = ['close', 'end', 'error', 'finish']

/**
 * What Fastify takes for the payload of a reply: a stream whose `pipe` hands the connection over. It holds nothing to
 * read, so that it is not a Readable, which costs ten times as much to make.
 */
export class Body extends Stream {
  readonly #owner: BodyOwner
  readonly #response: EventEmitter
  /** How many listeners of WATCHED the response had before Fastify began to watch this body and then the response. */
  readonly #before = [0, 0, 0, 0]

  constructor (owner: BodyOwner, response: EventEmitter) {
    super()
    this.#owner = owner
    this.#response = response
  }

  override on (name: string | symbol, listener: (...args: any[]) => void): this {
    // Nothing else ever comes, and who listens to all that a stream may say is not kept for it.
    if (name !== 'end') return this
    // The first that `stream.finished` listens to.
    this.#count()
    return super.on(name, listener)
  }

  override pipe<To extends NodeJS.WritableStream> (destination: To, options?: { end?: boolean }): To {
    this.#owner.bodyPiped(this, destination as unknown as Destination, options?.end !== false)
    return destination
  }

  /** What Fastify does to the body of an answer that has none. */
  resume (): void {}

  /** What Fastify does when the response is over before the body. */
  destroy (): void {}

  /** Ends, for those who watch it. */
  finish (): void {
    this.emit('end')
  }

  /**
   * Ends, and takes the listeners off the response that Fastify has put there to end this body: they would do nothing
   * any more, and keep two kilobytes alive for as long as the stream is open. To be called from `pipe` only.
   */
  release (): void {
    this.finish()
    for (let index = 0; index < WATCHED.length; index++) {
      const name = WATCHED[index]!
      const listeners = this.#response.rawListeners(name)
      for (let added = this.#before[index]!; added < listeners.length; added++) {
        this.#response.off(name, listeners[added] as () => void)
      }
    }
  }

  #count (): void {
    for (let index = 0; index < WATCHED.length; index++) this.#before[index] = this.#response.listenerCount(WATCHED[index]!)
  }
}
