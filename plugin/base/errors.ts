import { createError } from '@fastify/error'
import { createDetailedError } from './detailed-error.ts'

/**
 * Every error of the core. Codes start with `SSE_ERR_`: `instanceof` compares errors of `@fastify/error` by code, and
 * `FST_ERR_SSE_` belongs to `@fastify/sse`.
 *
 * No message contains a value, because Fastify sends the message of any error to the client: values are in `detail`.
 */

/** Lets clients see the message of an error, because it contains no values of the application. See `failureOf`. */
function exposed<Type extends { readonly prototype: object }> (type: Type): Type {
  Object.defineProperty(type.prototype, 'expose', { value: true, writable: true })
  return type
}

/** An option is unknown or has an invalid value. The message contains the option and the rule, `detail` the value. */
export const SSE_ERR_OPTION = createDetailedError<[rule: string]>('SSE_ERR_OPTION', '%s')

/**
 * An event has a field that cannot be sent, because it would corrupt the stream or clients would ignore it. The message
 * contains the field and the rule, `detail` the value.
 */
export const SSE_ERR_EVENT = createDetailedError<[rule: string]>('SSE_ERR_EVENT', '%s')

/** The serializer threw, or did not return a string. `detail` is the reason, and `cause` the error that it threw. */
export const SSE_ERR_SERIALIZE = createDetailedError('SSE_ERR_SERIALIZE', 'Event data could not be serialized')

/** A callback returned a promise, or another value that it must not return. The message contains the callback and the rule. */
export const SSE_ERR_CALLBACK = createDetailedError<[callback: string, rule: string]>('SSE_ERR_CALLBACK', 'The callback `%s` must return %s')

/** `sendAll()` received a value that is not iterable. */
export const SSE_ERR_SOURCE = createDetailedError('SSE_ERR_SOURCE', 'The source of sendAll() must be an iterable, an async iterable, a stream, or a function that returns one of these')

/** The plugin was registered in a scope that already has it. */
export const SSE_ERR_REGISTERED = createError('SSE_ERR_REGISTERED', 'fastify-sse-emitter is already registered in this scope or in one that contains it; register it once')

/** `reply.sse()` was called in a hook. */
export const SSE_ERR_NOT_READY = createError('SSE_ERR_NOT_READY', 'reply.sse() must be called in a route handler, not in a hook')

/** `reply.sse()` was called after the reply was sent or hijacked. */
export const SSE_ERR_REPLY_SENT = createError('SSE_ERR_REPLY_SENT', 'The reply was already sent or hijacked; call reply.sse() before reply.send() or reply.hijack()')

/** `reply.sse()` was called twice for one reply. */
export const SSE_ERR_DUPLICATE = createError('SSE_ERR_DUPLICATE', 'reply.sse() was already called for this reply; use the emitter that the first call returned')

/** The Accept header of the request does not allow event streams. */
export const SSE_ERR_NOT_ACCEPTABLE = exposed(createError('SSE_ERR_NOT_ACCEPTABLE', 'The response is an event stream, but the Accept header does not allow text/event-stream', 406))

/** The limit `maxConnections` is reached. */
export const SSE_ERR_FULL = exposed(createError('SSE_ERR_FULL', 'Too many event streams are open; try again later', 503))

/** The limit `maxConnectionsPerKey` is reached for the key of this request. */
export const SSE_ERR_FULL_FOR_KEY = exposed(createError('SSE_ERR_FULL_FOR_KEY', 'You have too many open event streams; close one before you open another', 429))

/** Another stream is open or awaited on the same connection, or `maxStreamsPerConnection` is reached on it. */
export const SSE_ERR_FULL_FOR_CONNECTION = exposed(createError('SSE_ERR_FULL_FOR_CONNECTION', 'Too many event streams on one connection; use another connection', 429))

/** The client sent a last event id that is longer than any id of a broker. */
export const SSE_ERR_LAST_EVENT_ID = exposed(createError('SSE_ERR_LAST_EVENT_ID', 'The last event id has %s characters; the maximum is %s', 400))

/** A channel name is not a string, is empty or too long, contains control characters, or starts with `sse-`. */
export const SSE_ERR_CHANNEL = createDetailedError('SSE_ERR_CHANNEL', 'A channel name must be a string of 1 to 255 characters that contains no control characters and does not start with `sse-`')

/** A stream subscribed to channels of different partitions, whose ids have no common order. */
export const SSE_ERR_PARTITION = createDetailedError('SSE_ERR_PARTITION', 'A stream cannot subscribe to channels of different partitions. Channels whose names contain the same {tag} share a partition', 500, Error)

/** A broker was used after it was closed. `app.close()` closes it. */
export const SSE_ERR_BROKER_CLOSED = exposed(createError('SSE_ERR_BROKER_CLOSED', 'The broker is closed', 503))

/** The broker has as many channels as it can keep. */
export const SSE_ERR_BROKER_FULL = createError('SSE_ERR_BROKER_FULL', 'The broker\'s limit of %s channels is reached', 503)

/** The broker did not respond in time. A broker's own error with this code gives its reason in `detail`. */
export const SSE_ERR_BROKER_UNAVAILABLE = createDetailedError('SSE_ERR_BROKER_UNAVAILABLE', 'The broker is unavailable', 503, Error)

/** The idempotency key was used before to publish another event. */
export const SSE_ERR_IDEMPOTENCY_KEY = exposed(createError('SSE_ERR_IDEMPOTENCY_KEY', 'The idempotency key was already used for another event; use a different key for each event', 422))

/** The channel's last event is not the one that the publication expects, so nothing was published. */
export const SSE_ERR_PRECONDITION = createError('SSE_ERR_PRECONDITION', 'The last event of the channel is not the expected one', 412)

/** A run id is not a string, is empty or too long, or contains control characters. */
export const SSE_ERR_RUN_ID = createDetailedError('SSE_ERR_RUN_ID', 'A run id must be a string of 1 to 200 characters without control characters', 400)

/** A run with this id ended, and its log was deleted too recently for the id to be used again. */
export const SSE_ERR_RUN_FORGOTTEN = exposed(createError('SSE_ERR_RUN_FORGOTTEN', 'The run with this id has ended and is no longer available; use a new id for each run', 410))

/** The limit `maxRuns` is reached. */
export const SSE_ERR_RUNS_FULL = exposed(createError('SSE_ERR_RUNS_FULL', 'The server has too many runs; try again later', 503))

/** A run was started after `app.close()`. */
export const SSE_ERR_RUNS_CLOSED = exposed(createError('SSE_ERR_RUNS_CLOSED', 'The server is shutting down', 503))

/** The broker has lost events of a run, for example in a failover. The run ends as failed with the code `log_lost`. */
export const SSE_ERR_RUN_LOG_LOST = createError('SSE_ERR_RUN_LOG_LOST', 'The broker has lost events of the run')

/** The reason of a producer's signal: the run ended while the producer was still running. */
export const SSE_ERR_RUN_OVER = createError('SSE_ERR_RUN_OVER', 'The run has ended: %s', 500)

/**
 * Why a stream ended:
 * - `complete`: `complete()` was called and everything was written, or the reply was sent without a stream (HEAD, 204,
 *   another payload)
 * - `error`: `completeWithError()` was called, or the handler or an `onSend` hook failed
 * - `timeout`: the lifetime set by the option `timeout` elapsed
 * - `client`: the client disconnected, possibly after `complete()` but before everything was written
 * - `slow`: more than `maxBuffered` bytes were waiting for the client, or it accepted nothing for `stallTimeout`
 * - `shutdown`: `app.close()` was called
 * - `expired`: the time set by the option `expiresAt` was reached
 * - `kicked`: `app.sse.close()` or `app.sse.closeKey()` was called
 */
export type SseReason = 'complete' | 'error' | 'timeout' | 'client' | 'slow' | 'shutdown' | 'expired' | 'kicked'

/**
 * The stream has ended, or it ended before the event was written. `reason` is the reason.
 *
 * It has no stack trace: that of most streams would only show how this package ends them, and would cost more than the rest.
 */
export class SSE_ERR_CLOSED extends createError<[string]>('SSE_ERR_CLOSED', 'The event stream is closed: %s', 500, Error, false) {
  readonly reason: SseReason

  constructor (reason: SseReason) {
    super(reason)
    this.reason = reason
    // Loggers print it. Like that of other errors, it is not enumerable.
    Object.defineProperty(this, 'stack', { value: String(this), writable: true, configurable: true })
  }
}
