import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { kReplyStream, wrapHandler } from './reply/handler.ts'
import { Hub, type SseHub } from './hub.ts'
import { resolvePluginOptions, type SsePluginOptions } from './hub-options.ts'
import type { SseStreamOptions } from './reply/options.ts'
import type { SseEmitter } from './stream/sse-emitter.ts'

const plugin: FastifyPluginAsync<SsePluginOptions> = async (app, options) => {
  const hub = new Hub(resolvePluginOptions(options), app.log)

  app.decorate('sse', hub)
  app.decorateReply(kReplyStream, null)
  app.decorateReply('sse', function (streamOptions) {
    return hub.open(this, streamOptions)
  })
  app.addHook('onRoute', route => {
    route.handler = wrapHandler(route.handler, hub.refused)
  })
  app.addHook('preClose', () => hub.drain(app.server))
  app.addHook('onClose', () => hub.release())
}

/** Server-Sent Events for Fastify: `reply.sse()` on every reply, `app.sse` for all streams. */
export default fp(plugin, { fastify: '5.x', name: 'fastify-sse-emitter' })

export { SseEntry, type SsePayload } from './wire/entry.ts'
export { event } from './wire/event.ts'
export * as errors from './base/errors.ts'
export type { SseReason } from './base/errors.ts'
export type { SseEvent, SseFields, SseSerializer } from './wire/event.ts'
export type { SseBroker, SseBrokerListener, SseBrokerSubscription, SseHistory, SsePage, SsePublished, SsePublishing } from './channels/broker.ts'
export type { SseChannel } from './channels/channel.ts'
export { failureOf, type SseFailure } from './base/failure.ts'
export type { SseHub } from './hub.ts'
export { memoryBroker } from './channels/memory-broker.ts'
export type { SseChannelOptions, SseFilter, SseMemoryBrokerOptions, SseReplayOptions, SseSubscribeOptions } from './channels/options.ts'
export type { SsePluginOptions } from './hub-options.ts'
export type { SseStreamOptions } from './reply/options.ts'
export type { SsePublishFields } from './channels/payload.ts'
export type { SseRun } from './runs/run.ts'
export type { SseRunEnd } from './runs/run-log.ts'
export type { SseReadOptions, SseRunOptions, SseWatchOptions } from './runs/options.ts'
export type { SseRunInfo, SseRunProducer, SseRuns, SseRunStarted } from './runs/runs.ts'
export type { SseEmitter, SseItem, SseSequence, SseSource, SseState, SseStream } from './stream/sse-emitter.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** All event streams of this application. */
    sse: SseHub
  }

  interface FastifyReply {
    /**
     * Makes the reply an event stream, which is opened by the emitter's first `send`, its `open()`, or by returning it.
     *
     * @typeParam Events the data of each type of event, for `send` to check
     * @param options what differs from the plugin's options for this stream
     * @throws SSE_ERR_NOT_ACCEPTABLE (406) if the request's Accept header refuses event streams
     * @throws SSE_ERR_FULL (503), SSE_ERR_FULL_FOR_KEY (429) if a limit is reached
     * @throws SSE_ERR_DUPLICATE at the second call, SSE_ERR_REPLY_SENT on an answered reply, SSE_ERR_NOT_READY outside
     *   the handler of a route that was declared after the plugin had loaded
     * @throws SSE_ERR_OPTION for an option with a value it cannot have
     */
    sse<Events = Record<string, unknown>> (options?: SseStreamOptions): SseEmitter<Events>
  }
}
