import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ServerResponse } from 'node:http'
import type { SseDiagnostics } from '../base/diagnostics.ts'
import type { SseReason } from '../base/errors.ts'

const STREAM_CLOSED = 'fastify-sse-emitter:stream:close'

/** Observes why the stream of a response ends. It starts before the request, because the response may end before it is known. */
export class ObservedEnd {
  /** The reasons of all streams that have ended before the response is known. */
  readonly #ended = new Map<unknown, SseReason>()
  #response: ServerResponse | undefined
  #resolve!: (reason: SseReason) => void
  readonly #onStop: () => void

  /** @param onStop called when it stops observing */
  constructor (onStop: () => void) {
    this.#onStop = onStop
    subscribe(STREAM_CLOSED, this.#listener)
  }

  readonly #listener = (message: unknown): void => {
    const { reply, reason } = message as SseDiagnostics[typeof STREAM_CLOSED]
    if (this.#response === undefined) this.#ended.set(reply.raw, reason)
    else if (reply.raw === this.#response) this.#end(reason)
  }

  /** Resolves with why the stream of a response ends. If it is not a stream: `complete`, or `client` if it is cut off. */
  async of (response: ServerResponse): Promise<SseReason> {
    this.#response = response
    const reason = this.#ended.get(response)
    this.#ended.clear()
    if (reason === undefined) return await new Promise(resolve => { this.#observe(response, resolve) })
    this.stop()
    return reason
  }

  /** Stops observing. */
  stop (): void {
    unsubscribe(STREAM_CLOSED, this.#listener)
    this.#onStop()
  }

  #observe (response: ServerResponse, resolve: (reason: SseReason) => void): void {
    this.#resolve = resolve
    // Without a stream, nothing is published. The listener of a stream is called first.
    const closed = (): void => { this.#end(response.writableEnded ? 'complete' : 'client') }
    response.once('close', closed)
    // The response emits `close` in the tick after it was destroyed.
    if (response.destroyed) process.nextTick(closed)
  }

  #end (reason: SseReason): void {
    this.#resolve(reason)
    this.stop()
  }
}
