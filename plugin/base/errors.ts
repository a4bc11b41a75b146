import createError from '@fastify/error'

/**
 * Every error this package throws. Codes begin with `SSE_ERR_`; `FST_ERR_SSE_` is another package's prefix,
 * and `@fastify/error` compares by code.
 */

/** An option is unknown or has an invalid value. The message names the option, the rule and the value. */
export const SSE_ERR_OPTION = createError<[string]>('SSE_ERR_OPTION', '%s', 500, TypeError)

/** An event has a field that cannot be written, because it would corrupt the stream or be ignored by every client. */
export const SSE_ERR_EVENT = createError('SSE_ERR_EVENT', 'The event %s', 500, TypeError)

/** The data of an event cannot be turned into text. `cause` is what the serializer threw. */
export const SSE_ERR_SERIALIZE = createError('SSE_ERR_SERIALIZE', 'The data of the event cannot be serialized: %s', 500, TypeError)

/** `sendAll` was given something that is not a sequence of items. */
export const SSE_ERR_SOURCE = createError('SSE_ERR_SOURCE', 'sendAll takes an iterable, an async iterable, a stream, or a function that returns one, got %s', 500, TypeError)

/** `reply.sse()` was called where no stream can be opened. */
export const SSE_ERR_NOT_READY = createError('SSE_ERR_NOT_READY', 'reply.sse() works inside the handler of a route that was declared after the plugin had loaded: `await app.register(sse)` first, then declare the route')

/** `reply.sse()` was called on a reply that was sent or hijacked before. */
export const SSE_ERR_REPLY_SENT = createError('SSE_ERR_REPLY_SENT', 'The reply was already sent; call reply.sse() before reply.send() and reply.hijack()')

/** `reply.sse()` was called a second time on one reply. */
export const SSE_ERR_DUPLICATE = createError('SSE_ERR_DUPLICATE', 'reply.sse() was already called on this reply; keep the emitter it returned')

/** The request's Accept header refuses event streams. */
export const SSE_ERR_NOT_ACCEPTABLE = createError('SSE_ERR_NOT_ACCEPTABLE', 'This address answers with text/event-stream, which the Accept header refuses', 406)

/** `maxConnections` streams are open. */
export const SSE_ERR_FULL = createError('SSE_ERR_FULL', 'Too many event streams are open, try again later', 503)

/** `maxConnectionsPerKey` streams of this key are open. */
export const SSE_ERR_FULL_FOR_KEY = createError('SSE_ERR_FULL_FOR_KEY', 'You have too many event streams open', 429)

/** A client sent an id that is longer than any id. */
export const SSE_ERR_LAST_EVENT_ID = createError('SSE_ERR_LAST_EVENT_ID', 'The last event id has %s characters, more than %s', 400)

/** Something is no name for a channel. */
export const SSE_ERR_CHANNEL = createError('SSE_ERR_CHANNEL', 'The name of a channel must be 1 to 255 characters without control characters, got %s', 500, TypeError)

/** One stream was to follow channels of two partitions, whose ids do not rise together. */
export const SSE_ERR_PARTITION = createError('SSE_ERR_PARTITION', 'One stream cannot follow %s and %s, which are of two partitions of the broker: channels whose names have the same {tag} are of one')

/** A broker was used after it had been closed, which `app.close()` does. */
export const SSE_ERR_BROKER_CLOSED = createError('SSE_ERR_BROKER_CLOSED', 'The broker is closed', 503)

/** A broker has no place for one more channel. */
export const SSE_ERR_BROKER_FULL = createError('SSE_ERR_BROKER_FULL', 'The broker knows %s channels, and has no place for another', 503)

/** An idempotency key was used before, for something else. */
export const SSE_ERR_IDEMPOTENCY_KEY = createError('SSE_ERR_IDEMPOTENCY_KEY', 'The idempotency key was used for something else', 422)

/** Something is no id for a run. */
export const SSE_ERR_RUN_ID = createError('SSE_ERR_RUN_ID', 'The id of a run must be 1 to 200 characters without control characters, got %s', 400, TypeError)

/** There was a run of this id, whose log is not kept any more, and too little time has passed to begin another. */
export const SSE_ERR_RUN_FORGOTTEN = createError('SSE_ERR_RUN_FORGOTTEN', 'The run of this id is over and not kept any more', 410)

/** `maxRuns` runs are there. */
export const SSE_ERR_RUNS_FULL = createError('SSE_ERR_RUNS_FULL', 'Too many runs are kept, try again later', 503)

/** A run was started after `app.close()`. */
export const SSE_ERR_RUNS_CLOSED = createError('SSE_ERR_RUNS_CLOSED', 'The server is stopping', 503)

/** The reason of a producer's signal: its run was ended by other hands. */
export const SSE_ERR_RUN_OVER = createError('SSE_ERR_RUN_OVER', 'The run is over: %s', 500)

/**
 * Why a stream is over:
 * - `complete`: `complete()`, or the reply was answered without a stream (HEAD, 204, another payload)
 * - `error`: `completeWithError()`, or the handler or an `onSend` hook failed
 * - `timeout`: the option `timeout` passed
 * - `client`: the client left
 * - `slow`: the client left more than `maxBuffered` waiting, or took nothing for `stallTimeout`
 * - `shutdown`: `app.close()`
 * - `expired`: the option `expiresAt` passed
 * - `kicked`: `app.sse.close()`
 */
export type SseReason = 'complete' | 'error' | 'timeout' | 'client' | 'slow' | 'shutdown' | 'expired' | 'kicked'

/** The stream is over, or ended before what was sent had left. `reason` says why. */
export class SSE_ERR_CLOSED extends createError<[string]>('SSE_ERR_CLOSED', 'The event stream is closed: %s', 500) {
  readonly reason: SseReason

  constructor (reason: SseReason) {
    super(reason)
    this.reason = reason
  }
}
