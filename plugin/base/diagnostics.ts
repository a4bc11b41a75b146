import { channel, type Channel } from 'node:diagnostics_channel'
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

  /** The connection of a stream is closed. Published for each stream once, also if it never opened. */
  'fastify-sse-emitter:stream:close': SseStreamDiagnostic & {
    readonly reason: SseReason
    readonly events: number
    /** Bytes without HTTP framing. */
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

  /** An event was published to a channel, or could not be. */
  'fastify-sse-emitter:channel:publish': {
    readonly channel: string
    /** Milliseconds that the broker took. */
    readonly duration: number
    /** The id of the event; undefined if it could not be published. */
    readonly id: string | undefined
    /** Whether it was published before with the same idempotency key. */
    readonly repeated: boolean
    readonly error: unknown
  }

  /** A subscriber has missed events: it receives `sse-gap` or `sse-reset`, unless its `markers` are off. */
  'fastify-sse-emitter:channel:gap': SseStreamDiagnostic & {
    /** The channels of the stream. */
    readonly channels: readonly string[]
    /** Whether the broker does not know the client's id. */
    readonly reset: boolean
  }

  /** The producer of a run is called in this process. */
  'fastify-sse-emitter:run:start': { readonly id: string }

  /** A run of this process has ended. */
  'fastify-sse-emitter:run:end': {
    readonly id: string
    readonly state: 'done' | 'failed' | 'aborted'
    /** The data of its terminal event. */
    readonly data: string
    readonly events: number
    /** Milliseconds since it started. */
    readonly duration: number
  }
}

/** What every message about a stream contains. */
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
export const streamSlow = diagnostic('fastify-sse-emitter:stream:slow')
export const eventPublished = diagnostic('fastify-sse-emitter:channel:publish')
export const eventsMissed = diagnostic('fastify-sse-emitter:channel:gap')
export const runStarted = diagnostic('fastify-sse-emitter:run:start')
export const runEnded = diagnostic('fastify-sse-emitter:run:end')
