import type { FastifyPluginAsync, FastifyTypeProvider, RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerBase, RouteGenericInterface } from 'fastify'
import fp from 'fastify-plugin'
import { ChannelSchemas } from './channels/channel-schemas.ts'
import { SSE_ERR_REGISTERED } from './base/errors.ts'
import { writeLog } from './base/logging.ts'
import { warnOfOpenFiles } from './base/open-files.ts'
import { TimerWheel } from './base/timer-wheel.ts'
import { CheckedBroker } from './channels/checked-broker.ts'
import { FanOut } from './channels/fan-out.ts'
import { memoryBroker } from './channels/memory-broker.ts'
import { payloadOf } from './channels/payload.ts'
import { Hub, type SseHub } from './hub.ts'
import { resolvePluginOptions, type SsePluginOptions } from './hub-options.ts'
import { kReplyStream, wrapRoute } from './reply/handler.ts'
import { RouteSchemas } from './reply/event-schemas.ts'
import type { SseStreamOptions } from './reply/options.ts'
import { KeyCloser } from './reply/key-closer.ts'
import { ReplyStreams } from './reply/reply-streams.ts'
import { RunRegistry } from './runs/run-registry.ts'
import { Runs } from './runs/runs.ts'
import { shutDown } from './shutdown.ts'
import type { SseEmitter } from './stream/sse-emitter.ts'
import type { SseEventsOf } from './wire/event-schemas.ts'

const plugin: FastifyPluginAsync<SsePluginOptions> = async (app, options) => {
  if (app.hasReplyDecorator(kReplyStream)) throw new SSE_ERR_REGISTERED()
  const settings = resolvePluginOptions(options)
  const { connectionKey, maxConnections, maxRuns, maxRunBytes, serializer, shutdownGrace } = settings
  const broker = new CheckedBroker(settings.broker ?? memoryBroker(), (err, channel) => {
    writeLog(app.log, 'error', { err, channel }, 'the broker delivered an event that cannot be sent, which is left out')
  })
  const wheel = new TimerWheel()
  const fanOut = new FanOut(broker)
  const streams = new ReplyStreams(settings, { wheel, fanOut })
  const runs = new RunRegistry({ broker, wheel, log: app.log, maxRuns, maxRunBytes, toPayload: (data, fields) => payloadOf(data, fields, serializer) })
  const keyCloser = new KeyCloser({ broker, streams, log: app.log })
  if (connectionKey !== undefined) keyCloser.start()

  app.decorate('sse', new Hub(streams, fanOut, new Runs(runs), serializer, new ChannelSchemas(app), keyCloser))
  app.decorateReply(kReplyStream, null)
  app.decorateReply('sse', function (streamOptions) {
    return streams.open(this, streamOptions)
  })
  const routeSchemas = new RouteSchemas()
  // Routes that were declared before are not wrapped. `reply.sse()` handles these itself.
  app.addHook('onRoute', function (route) {
    wrapRoute(route, streams)
    routeSchemas.add(this, route)
  })
  app.addHook('onReady', async () => routeSchemas.ready())
  app.addHook('onListen', async () => { warnOfOpenFiles(app.log, maxConnections) })
  app.addHook('preClose', () => shutDown(app.server, streams, runs, shutdownGrace))
  app.addHook('onClose', () => {
    keyCloser.stop()
    return broker.close()
  })
}

/** Server-Sent Events for Fastify: `reply.sse()` opens a stream; `app.sse` manages all streams, channels and runs. */
export default fp(plugin, { fastify: '5.x', name: 'fastify-sse-emitter' })

export { assertPayload, SseEntry, type SsePayload } from './wire/entry.ts'
export { event } from './wire/event.ts'
export type { SseDiagnostics, SseStreamDiagnostic } from './base/diagnostics.ts'
export * as errors from './base/errors.ts'
export type { SseReason } from './base/errors.ts'
export type { SseEvent, SseFields, SseSerializer } from './wire/event.ts'
export type { SseBroker, SseBrokerListener, SseBrokerSubscription, SseHistory, SsePage, SsePublished, SsePublishOptions } from './channels/broker.ts'
export type { SseChannel } from './channels/channel.ts'
export { sseTransform } from './reply/event-schemas.ts'
export { failureOf, type SseFailure } from './base/failure.ts'
export type { SseHub } from './hub.ts'
export { memoryBroker } from './channels/memory-broker.ts'
export type { SseChannelOptions, SseContext, SseFilter, SseMemoryBrokerOptions, SseReplayOptions, SseSubscribeOptions } from './channels/options.ts'
export type { SseEventsOf, SseSchemas } from './wire/event-schemas.ts'
export type { SsePluginOptions } from './hub-options.ts'
export type { SseStreamOptions } from './reply/options.ts'
export type { SsePublishFields } from './channels/payload.ts'
export type { SseRun } from './runs/run.ts'
export type { SseRunEnd } from './runs/run-log.ts'
export type { SseReadOptions, SseRunLookup, SseRunOptions, SseWatchOptions } from './runs/options.ts'
export type { SseRunResult } from './runs/run-result.ts'
export type { SseRunInfo, SseRunProducer, SseRuns, SseRunStarted } from './runs/runs.ts'
export type { SseEmitter, SseItem, SseSequence, SseSource, SseState, SseStreamInfo } from './stream/sse-emitter.ts'

/** The event map of a route with `schema.sse`. On any other route, any event can be sent. */
export type SseRouteEvents<Schema, Provider extends FastifyTypeProvider> = Schema extends { readonly sse: infer Schemas } ? SseEventsOf<Schemas, Provider> : any

declare module 'fastify' {
  // Declarations are merged only if they name all type parameters.
  // eslint-disable-next-line @typescript-eslint/no-unused-vars
  interface FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider> {
    /** All event streams, channels and runs of this application. */
    sse: SseHub<TypeProvider>
  }

  interface FastifySchema {
    /** A schema for the data of each type of event that the route sends; `message` is for events without a type. */
    sse?: unknown
  }

  interface FastifyReply {
    /**
     * Turns the reply into an event stream. It opens at the first `send` or `comment`, at `open()`, when it subscribes to a
     * channel, or when the handler returns the emitter, passes it to `reply.send()` or, if it is async, returns nothing.
     * Returning the reply does not open it.
     *
     * The type of the data of each event follows from the route's `schema.sse` through its type provider.
     *
     * @param options override the plugin's options for this stream
     * @throws SSE_ERR_NOT_ACCEPTABLE (406) if the request's Accept header excludes event streams
     * @throws SSE_ERR_FULL (503), SSE_ERR_FULL_FOR_KEY (429), SSE_ERR_FULL_FOR_CONNECTION (429) if a limit is reached
     * @throws SSE_ERR_DUPLICATE if it was called before for this reply, SSE_ERR_REPLY_SENT if the reply was sent
     * @throws SSE_ERR_NOT_READY in a hook
     * @throws SSE_ERR_OPTION for an unknown or invalid option
     */
    sse<
      RouteGeneric extends RouteGenericInterface, Server extends RawServerBase, Request extends RawRequestDefaultExpression<Server>,
      Reply extends RawReplyDefaultExpression<Server>, Config, Schema extends FastifySchema, Provider extends FastifyTypeProvider, Payload
    > (this: FastifyReply<RouteGeneric, Server, Request, Reply, Config, Schema, Provider, Payload>, options?: SseStreamOptions): SseEmitter<SseRouteEvents<Schema, Provider>>
    /** @typeParam Events maps each event type to the type of its data, which `send` checks, on a route without `schema.sse` */
    sse<Events> (options?: SseStreamOptions): SseEmitter<Events>
  }
}
