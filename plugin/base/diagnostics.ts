import { channel, type Channel } from 'node:diagnostics_channel'
import type { FastifyError } from '@fastify/error'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { SseReason } from './errors.ts'

/**
 * The channels of `node:diagnostics_channel` to which this package publishes, with the type of their messages. Messages are
 * created only while someone is subscribed.
 */
export interface SseDiagnostics {
  /** A stream has opened: its headers are sent. */
  'fastify-sse-emitter:stream:open': SseStreamDiagnostic & {
    /** The last event id that the client sent. */
    readonly lastEventId: string | undefined
  }

  /** The connection of a stream is closed. Published once for each stream, even if it never opened. */
  'fastify-sse-emitter:stream:close': SseStreamDiagnostic & {
    readonly reason: SseReason
    /** The number of events that were written or queued. */
    readonly events: number
    /** Bytes that were written to the connection, without HTTP framing. */
    readonly bytes: number
    /** Milliseconds since it opened; undefined if it never did. */
    readonly duration: number | undefined
  }

  /**
   * A client reads so slowly that bytes have been waiting for it for a quarter of `stallTimeout`. Published again after each
   * further quarter.
   */
  'fastify-sse-emitter:stream:slow': SseStreamDiagnostic & {
    /** Bytes that wait for the client. */
    readonly queued: number
  }

  /** `reply.sse()` has refused a stream, because of the Accept header or a limit. It is not published for any other error. */
  'fastify-sse-emitter:stream:refuse': SseStreamDiagnostic & {
    /** SSE_ERR_NOT_ACCEPTABLE, SSE_ERR_FULL, SSE_ERR_FULL_FOR_KEY or SSE_ERR_FULL_FOR_CONNECTION, also if `refuse` is `'retry'`. */
    readonly error: FastifyError
  }

  /**
   * A call of `channel.publish()` has succeeded or failed. It does not cover the events of runs; `run:end` has their number.
   */
  'fastify-sse-emitter:channel:publish': {
    readonly channel: string
    /** Milliseconds until the broker had accepted or rejected the event. */
    readonly duration: number
    /** The id of the event; undefined if it could not be published. */
    readonly id: string | undefined
    /** Whether it was published before with the same idempotency key. */
    readonly repeated: boolean
    /** What the call rejects with; undefined if it succeeded. */
    readonly error: unknown
  }

  /** A subscriber has missed events: it receives `sse-gap` or `sse-reset`, unless its `markers` are off. */
  'fastify-sse-emitter:channel:gap': SseStreamDiagnostic & {
    /** The channels in which events were missed. */
    readonly channels: readonly string[]
    /** Whether the broker does not know the client's id. */
    readonly reset: boolean
  }

  /** The producer of a run is called in this process. */
  'fastify-sse-emitter:run:start': {
    readonly id: string
    /** The option `owner` of the run. */
    readonly owner: string | undefined
  }

  /**
   * A run has ended: its terminal event is in its log. Published by the process that has called the producer, once for each
   * `run:start`. If that process is lost, published by the process that has ended the run instead, with the code
   * `producer_lost`.
   */
  'fastify-sse-emitter:run:end': {
    readonly id: string
    /** The option `owner` of the run. */
    readonly owner: string | undefined
    readonly state: 'done' | 'failed' | 'aborted'
    /** The data of its terminal event. */
    readonly data: string
    /** The number of events that the producer has yielded, as in `app.sse.runs.list()`; undefined in another process. */
    readonly events: number | undefined
    /** Milliseconds since it started; undefined in another process. */
    readonly duration: number | undefined
  }
}

/** The properties of every message about a stream. All messages of a stream contain the same objects. */
export interface SseStreamDiagnostic {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** What the option `connectionKey` returned. */
  readonly key: string | undefined
}

/** A channel with the type of its messages. */
interface DiagnosticsChannel<Message> {
  readonly hasSubscribers: boolean
  publish (message: Message): void
}

function diagnostic<Name extends keyof SseDiagnostics> (name: Name): DiagnosticsChannel<SseDiagnostics[Name]> {
  return channel(name) satisfies Channel
}

export const streamOpened = diagnostic('fastify-sse-emitter:stream:open')
export const streamClosed = diagnostic('fastify-sse-emitter:stream:close')
export const streamRefused = diagnostic('fastify-sse-emitter:stream:refuse')
export const streamSlow = diagnostic('fastify-sse-emitter:stream:slow')
export const eventPublished = diagnostic('fastify-sse-emitter:channel:publish')
export const eventsMissed = diagnostic('fastify-sse-emitter:channel:gap')
export const runStarted = diagnostic('fastify-sse-emitter:run:start')
export const runEnded = diagnostic('fastify-sse-emitter:run:end')
