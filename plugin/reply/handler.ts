import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import { isThenable } from '../base/callbacks.ts'
import { SSE_ERR_DUPLICATE, SSE_ERR_NOT_READY, SSE_ERR_REPLY_SENT } from '../base/errors.ts'
import type { ReplyStream } from './reply-stream.ts'

/** Where a reply keeps its joint. `null`: its route was not wrapped. */
export const kReplyStream = Symbol('sse.joint')

/** Said of a reply whose handler runs and has not asked for a stream. */
const NONE = Symbol('sse.none')

interface JointedReply {
  [kReplyStream]: ReplyStream | typeof NONE | null
}

/**
 * Takes the place of a route's handler. Without a stream nothing changes. With one, the handler settles when Fastify
 * has nothing to answer any more (a handler that returns while an `onSend` hook is busy would make it answer twice),
 * and what it throws ends the stream.
 *
 * @param refused answers in a way of its own what the handler threw; returns whether it did
 */
export function wrapHandler (handler: RouteHandlerMethod, refused: (reply: FastifyReply, error: unknown) => boolean): RouteHandlerMethod {
  const threw = (reply: FastifyReply, error: unknown): unknown => {
    if (refused(reply, error)) return reply
    const joint = replyStreamOf(reply)
    if (joint === undefined) throw error
    return joint.handlerThrew(error)
  }
  const returned = (reply: FastifyReply, value: unknown, late: boolean): unknown => {
    const joint = replyStreamOf(reply)
    return joint === undefined ? value : joint.handlerReturned(value, late)
  }
  return function (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply): unknown {
    jointed(reply)[kReplyStream] = NONE
    let result: unknown
    try {
      result = handler.call(this, request, reply)
    } catch (error) {
      return threw(reply, error)
    }
    // A reply is a thenable, too, which waits for the response.
    if (result === reply || !isThenable(result)) return returned(reply, result, false)
    return result.then(value => returned(reply, value, true), error => threw(reply, error))
  }
}

/**
 * Refuses a reply that cannot become a stream.
 *
 * @throws SSE_ERR_NOT_READY outside a wrapped handler
 * @throws SSE_ERR_DUPLICATE if it is one already
 * @throws SSE_ERR_REPLY_SENT if it was answered or hijacked
 */
export function assertFresh (reply: FastifyReply): void {
  const joint = jointed(reply)[kReplyStream]
  if (joint === null) throw new SSE_ERR_NOT_READY()
  if (joint !== NONE) throw new SSE_ERR_DUPLICATE()
  if (reply.sent) throw new SSE_ERR_REPLY_SENT()
}

export function setReplyStream (reply: FastifyReply, joint: ReplyStream): void {
  jointed(reply)[kReplyStream] = joint
}

function replyStreamOf (reply: FastifyReply): ReplyStream | undefined {
  const joint = jointed(reply)[kReplyStream]
  return joint === null || joint === NONE ? undefined : joint
}

function jointed (reply: FastifyReply): JointedReply {
  return reply as unknown as JointedReply
}
