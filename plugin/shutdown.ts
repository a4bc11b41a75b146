import type { Server } from 'node:http'
import type { Http2Server } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { jitter } from './base/jitter.ts'
import type { ReplyStreams } from './reply/reply-streams.ts'

/**
 * Ends all runs and streams when the application closes.
 *
 * The server stops listening first: a closing Fastify answers 503, after which an EventSource gives up for good, whereas
 * it retries a refused connection.
 *
 * @param runs.close publishes the end of every run of this process
 * @param grace milliseconds that streams have to flush; 0 closes their connections immediately
 * @returns when every stream is closed
 */
export async function shutDown (server: Server | Http2Server, streams: ReplyStreams, runs: { close (): Promise<void> }, grace: number): Promise<void> {
  // Jitter spreads the reconnects of all clients.
  const retry = (): number => jitter(streams.retry)
  // Requests that Fastify has already accepted may still open streams.
  streams.refuseNew(retry)
  if (server.listening) {
    // If Fastify listens on more than one address of `localhost`, this closes the others.
    server.unref()
    server.close()
  }
  // Viewers receive the end of their run, unless the broker takes too long.
  await Promise.race([runs.close(), sleep(grace, undefined, { ref: false })])
  if (grace > 0) streams.shutDown(retry)
  else streams.cut()
  const timer = setTimeout(() => streams.cut(), grace)
  await streams.empty()
  clearTimeout(timer)
}
