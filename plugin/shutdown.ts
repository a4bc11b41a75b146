import type { Server } from 'node:http'
import type { Http2Server } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { jitter } from './base/jitter.ts'
import type { ReplyStreams } from './reply/reply-streams.ts'

/**
 * Ends all runs and streams when the application closes.
 *
 * The server stops listening before it ends any run or stream. While Fastify closes, it responds to new requests with 503,
 * after which an EventSource does not reconnect; after a refused connection, it does.
 *
 * @param runs.close publishes the end of every run of this process
 * @param grace milliseconds to wait for the runs to end, and then again for the streams to flush; 0 closes the connections
 *   immediately
 * @returns a promise that resolves when every stream is closed
 */
export async function shutDown (server: Server | Http2Server, streams: ReplyStreams, runs: { close (): Promise<void> }, grace: number): Promise<void> {
  // Jitter spreads the reconnects of all clients.
  const retry = (): number => jitter(streams.retry)
  // A request that Fastify has already accepted may still call `reply.sse()`. Its stream ends immediately.
  streams.endNewStreams(retry)
  if (server.listening) {
    // If Fastify listens on several addresses of `localhost`, its `unref()` closes the servers of the additional ones.
    server.unref()
    server.close()
  }
  // Viewers receive the end of their run, unless the broker takes too long.
  await Promise.race([runs.close(), sleep(grace, undefined, { ref: false })])
  if (grace > 0) streams.shutDown(retry)
  else streams.cut()
  const timer = setTimeout(() => streams.cut(), grace)
  await streams.whenEmpty()
  clearTimeout(timer)
}
