import type { EventEmitter } from 'node:events'
import { Stream } from 'node:stream'
import type { Destination } from '../stream/transport.ts'
import type { ReplyStream } from './reply-stream.ts'

/** The events of a response that `stream.finished` listens for. */
const WATCHED = ['close', 'end', 'error', 'finish']

/**
 * The payload that Fastify receives: a stream whose `pipe` hands the connection over. It has nothing to read and is not a
 * Readable, which would take ten times as long to create.
 */
export class Body extends Stream {
  readonly #replyStream: Pick<ReplyStream, 'bodyPiped'>
  readonly #response: EventEmitter
  /** The number of listeners of the response for each event of WATCHED, before Fastify added its own. */
  readonly #listenerCounts = [0, 0, 0, 0]

  constructor (replyStream: Pick<ReplyStream, 'bodyPiped'>, response: EventEmitter) {
    super()
    this.#replyStream = replyStream
    this.#response = response
  }

  override on (name: string | symbol, listener: (...args: any[]) => void): this {
    // Only `end` is ever emitted. Other listeners are not kept.
    if (name !== 'end') return this
    // `stream.finished` listens for `end` of the body before it watches the response.
    this.#countListeners()
    return super.on(name, listener)
  }

  override pipe<To extends NodeJS.WritableStream> (destination: To, options?: { end?: boolean }): To {
    this.#replyStream.bodyPiped(this, destination as unknown as Destination, options?.end !== false)
    return destination
  }

  /** Fastify calls it if the response has no body, as for HEAD. */
  resume (): void {}

  /** Fastify calls it if the response ends before the body does. */
  destroy (): void {}

  /** Ends the body for its listeners. */
  finish (): void {
    this.emit('end')
  }

  /**
   * Ends the body, and removes the listeners that Fastify has added to the response to end this body: they have nothing
   * left to do, and each open stream would hold 2 KB for them. Must be called from `pipe`.
   */
  release (): void {
    this.finish()
    for (let index = 0; index < WATCHED.length; index++) {
      const name = WATCHED[index]!
      const listeners = this.#response.rawListeners(name)
      for (let added = this.#listenerCounts[index]!; added < listeners.length; added++) {
        this.#response.off(name, listeners[added] as () => void)
      }
    }
  }

  #countListeners (): void {
    for (let index = 0; index < WATCHED.length; index++) this.#listenerCounts[index] = this.#response.listenerCount(WATCHED[index]!)
  }
}
