import type { Server } from 'node:http'
import type { Http2Server } from 'node:http2'
// `app.close()` must not wait for a test that fakes the global `setTimeout`.
import { clearTimeout, setTimeout } from 'node:timers'
import { setTimeout as sleep } from 'node:timers/promises'
import { jitter } from './base/jitter.ts'
import { MAX_DELAY } from './base/option-checks.ts'
import type { ReplyStreams } from './reply/reply-streams.ts'

export interface ShutdownRuns {
  close (): Promise<void>
  producersEnded (): Promise<void>
}

/**
 * Ends all runs and streams when the application closes.
 *
 * The server stops listening before it ends any run or stream. While Fastify closes, it responds to new requests with 503,
 * after which an EventSource does not reconnect; after a refused connection, it does.
 *
 * @param runs.close publishes the end of every run of this process
 * @param runs.producersEnded waits for what their producers do when they are aborted, and for `onEnd` callbacks
 * @param grace milliseconds that all of this takes at most; 0 closes the connections immediately
 * @returns a promise that resolves when every stream is closed
 */
export async function shutDown (server: Server | Http2Server, streams: ReplyStreams, runs: ShutdownRuns, grace: number): Promise<void> {
  // Jitter spreads the reconnects of all clients.
  const retry = (): number => jitter(streams.retry)
  // A request that Fastify has already accepted may still call `reply.sse()`. Its stream ends immediately.
  streams.endNewStreams(retry)
  if (server.listening) {
    // If Fastify listens on several addresses of `localhost`, its `unref()` closes the servers of the additional ones.
    server.unref()
    server.close()
  }
  const deadline = performance.now() + grace
  const remaining = (): number => Math.min(Math.max(deadline - performance.now(), 0), MAX_DELAY)
  // Viewers receive the end of their run, unless the broker takes too long. Streams need time to flush as well.
  await Promise.race([runs.close(), sleep(remaining() / 2, undefined, { ref: false })])
  if (grace > 0) streams.shutDown(retry)
  else streams.cut()
  const timer = setTimeout(() => streams.cut(), remaining())
  await streams.whenEmpty()
  clearTimeout(timer)
  await Promise.race([runs.producersEnded(), sleep(remaining(), undefined, { ref: false })])
}
