import type { FastifyReply } from 'fastify'
import { isInstance, publicErrorOf } from '../base/failure.ts'
import { logIgnoredReturn, logLateFailure } from '../stream/log.ts'
import type { ReplyStream } from './reply-stream.ts'

// A route that was declared before the plugin was loaded has a handler that is not wrapped. Fastify calls `reply.send()`
// with what the handler returned or threw, unless `reply.sent` is true. Such a reply therefore has its own `send` and `sent`.

export interface RefusalResponder {
  /** Answers a request whose handler threw because of a limit. Returns whether it did. */
  respondIfRefused (reply: FastifyReply, error: unknown): boolean
}

/** Calls Fastify's `reply.send()`. Of an error, clients receive only what `publicErrorOf` returns. */
export function sendThroughFastify (reply: FastifyReply, payload: unknown): FastifyReply {
  return Object.getPrototypeOf(reply).send.call(reply, publicPayload(reply, payload))
}

/**
 * Replaces an error that would become the response. Fastify first passes an error to the error handler, which must receive
 * it unchanged, to log it; the response has no error status yet. The default error handler then sets the status and sends
 * the error again, as the response.
 */
function publicPayload (reply: FastifyReply, payload: unknown): unknown {
  return reply.statusCode >= 500 && isInstance(payload, Error) ? publicErrorOf(payload) : payload
}

/** Passes what the handler of a reply returns or throws to its stream. */
export function guardUnwrapped (reply: FastifyReply, replyStream: ReplyStream): void {
  reply.send = (...payloads: unknown[]) => {
    const [payload] = payloads
    if (takeThrown(reply)) handlerThrew(reply, replyStream, payload)
    else if (payload === replyStream.emitter) replyStream.emitterSent()
    else if (replyStream.settled) ignore(replyStream, payload)
    // Fastify passes `undefined` if an async handler returns it; `reply.send()` without a payload is an empty response.
    else if (payload === undefined && payloads.length > 0 && !replyStream.handlerFailed) replyStream.handlerReturned(undefined, true)
    else if (replyStream.answers) ignore(replyStream, payload)
    else sendThroughFastify(reply, payload)
    return reply
  }
  // Otherwise, Fastify would only log what a handler throws after it opened the stream.
  Object.defineProperty(reply, 'sent', { get: () => !replyStream.settled && !replyStream.answers && Reflect.get(Object.getPrototypeOf(reply), 'sent', reply) })
}

/** Answers the request if its handler throws because of a limit. */
export function guardRefused (reply: FastifyReply, responder: RefusalResponder): void {
  reply.send = payload => {
    // From now on, `send` is Fastify's again.
    delete (reply as Partial<FastifyReply>).send
    const thrown = takeThrown(reply)
    if (thrown && responder.respondIfRefused(reply, payload)) return reply
    if (thrown) setThrown(reply, true)
    return reply.send(payload)
  }
}

function handlerThrew (reply: FastifyReply, replyStream: ReplyStream, error: unknown): void {
  try {
    replyStream.handlerThrew(error)
  } catch (rethrown) {
    if (replyStream.settled) {
      logLateFailure(reply.log, error)
    } else {
      setThrown(reply, true)
      sendThroughFastify(reply, rethrown)
    }
  }
}

function ignore (replyStream: ReplyStream, payload: unknown): void {
  if (payload !== undefined) logIgnoredReturn(replyStream.log)
}

/**
 * Returns whether the payload of `reply.send()` was thrown, and removes the mark that Fastify sets before it sends what a
 * handler threw. Without the mark, a thrown value that is not an Error would look like a returned one.
 */
function takeThrown (reply: FastifyReply): boolean {
  const thrown = Reflect.get(reply, thrownMark(reply)) === true
  if (thrown) setThrown(reply, false)
  return thrown
}

function setThrown (reply: FastifyReply, thrown: boolean): void {
  Reflect.set(reply, thrownMark(reply), thrown)
}

function thrownMark (reply: FastifyReply): symbol {
  return Object.getOwnPropertySymbols(reply).find(({ description }) => description === 'fastify.reply.isError')!
}
