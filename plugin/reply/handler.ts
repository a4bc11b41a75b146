import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod, RouteOptions } from 'fastify'
import { isThenable } from '../base/callbacks.ts'
import { SSE_ERR_DUPLICATE, SSE_ERR_NOT_READY, SSE_ERR_REPLY_SENT } from '../base/errors.ts'
import { failureOf } from '../base/failure.ts'
import type { ReplyStream } from './reply-stream.ts'
import { guardUnwrapped, sendThroughFastify, type RefusalResponder } from './unwrapped-handler.ts'

/** The property of a reply that holds its stream. `null` until a wrapped handler runs. */
export const kReplyStream = Symbol('sse.replyStream')

/** The value of that property while a wrapped handler runs that has not called `reply.sse()`. */
const NONE = Symbol('sse.none')

/** Marks the configuration of a route whose handler is wrapped. */
const kWrapped = Symbol('sse.wrapped')

interface StreamingReply {
  /** A nested scope that was created before the plugin was loaded lacks the property. */
  [kReplyStream]: ReplyStream | typeof NONE | null | undefined
}

/** Answers requests instead of a handler. */
export interface Responder extends RefusalResponder {
  /** Answers a client that has received the last event of its stream. Returns whether it did. */
  respondIfEnded (reply: FastifyReply): boolean
}

/** Wraps the handler of a route, in an `onRoute` hook. */
export function wrapRoute (route: RouteOptions, responder: Responder): void {
  route.handler = wrapHandler(route.handler, responder)
  route.config = Object.assign({}, route.config, { [kWrapped]: true })
}

/**
 * Wraps the handler of a route. Without a stream, nothing changes. With one, the handler settles only when Fastify is
 * done with the reply, because a handler that returns while an `onSend` hook runs would make Fastify answer twice. What
 * the handler throws ends the stream.
 */
export function wrapHandler (handler: RouteHandlerMethod, responder: Responder): RouteHandlerMethod {
  const threw = (reply: FastifyReply, error: unknown): unknown => {
    if (responder.respondIfRefused(reply, error)) return reply
    const replyStream = replyStreamOf(reply)
    if (replyStream === undefined) {
      // As from a stream, clients receive a general message. The application's own errors are answered as on any route.
      if (failureOf(error, '').code.startsWith('SSE_ERR_')) reply.send = send
      throw error
    }
    return replyStream.handlerThrew(error)
  }
  const returned = (reply: FastifyReply, value: unknown, async: boolean): unknown => {
    const replyStream = replyStreamOf(reply)
    return replyStream === undefined ? value : replyStream.handlerReturned(value, async)
  }
  return function (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply): unknown {
    if (responder.respondIfEnded(reply)) return reply
    streaming(reply)[kReplyStream] = NONE
    let result: unknown
    let async: boolean
    try {
      result = handler.call(this, request, reply)
      // A reply is a thenable, too; it settles with the response.
      async = result !== reply && isThenable(result)
    } catch (error) {
      return threw(reply, error)
    }
    if (!async) return returned(reply, result, false)
    return (result as PromiseLike<unknown>).then(value => returned(reply, value, true), error => threw(reply, error))
  }
}

/**
 * Asserts that a reply can become a stream.
 *
 * @throws SSE_ERR_NOT_READY before a wrapped handler runs
 * @throws SSE_ERR_DUPLICATE if it is a stream already
 * @throws SSE_ERR_REPLY_SENT if it was sent or hijacked
 */
export function assertCanStream (reply: FastifyReply): void {
  const replyStream = streaming(reply)[kReplyStream]
  if (replyStream !== NONE) {
    if (replyStream) throw new SSE_ERR_DUPLICATE()
    if (isRouteWrapped(reply)) throw new SSE_ERR_NOT_READY()
  }
  if (reply.sent) throw new SSE_ERR_REPLY_SENT()
}

/** Whether the handler that called `reply.sse()` is wrapped. A route that was declared before the plugin loaded is not. */
export function isWrapped (reply: FastifyReply): boolean {
  return streaming(reply)[kReplyStream] === NONE
}

/** Makes a reply a stream, and `reply.send(emitter)` open it. */
export function setReplyStream (reply: FastifyReply, replyStream: ReplyStream): void {
  const wrapped = isWrapped(reply)
  streaming(reply)[kReplyStream] = replyStream
  if (wrapped) reply.send = send
  else guardUnwrapped(reply, replyStream)
}

/** Replaces `reply.send` of a stream. One function serves all replies, so that a stream costs no closure. */
function send (this: FastifyReply, payload?: unknown): FastifyReply {
  const replyStream = replyStreamOf(this)
  if (replyStream === undefined || payload !== replyStream.emitter) return sendThroughFastify(this, payload)
  replyStream.emitterSent()
  return this
}

function replyStreamOf (reply: FastifyReply): ReplyStream | undefined {
  const replyStream = streaming(reply)[kReplyStream]
  return replyStream === null || replyStream === NONE ? undefined : replyStream
}

function isRouteWrapped (reply: FastifyReply): boolean {
  return Object.hasOwn(reply.routeOptions.config, kWrapped)
}

function streaming (reply: FastifyReply): StreamingReply {
  return reply as unknown as StreamingReply
}
