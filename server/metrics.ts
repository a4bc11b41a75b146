import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { SseDiagnostics } from 'fastify-sse-emitter'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Seconds. Streams last from a moment to a day. */
const LIFETIMES = [1, 10, 60, 300, 1_800, 7_200, 28_800, 86_400]
const LATENCIES = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5]

/** The URL of a request would create a time series for each client. */
const routeOf = ({ routeOptions: { url = 'none' } }: FastifyRequest): string => url

/** Serves `GET /metrics` for Prometheus: the metrics of a registry, and those of streams, channels and runs. */
export async function metrics (app: FastifyInstance, { registry = new Registry() } = {}): Promise<void> {
  const registers = [registry]
  collectDefaultMetrics({ register: registry })

  function on<Name extends keyof SseDiagnostics> (name: Name, listener: (message: SseDiagnostics[Name]) => void): void {
    const receive = (message: unknown): void => { listener(message as SseDiagnostics[Name]) }
    subscribe(name, receive)
    app.addHook('onClose', async () => { unsubscribe(name, receive) })
  }

  function counter<Label extends string> (name: string, help: string, ...labelNames: Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers })
  }

  function histogram<Label extends string> (name: string, help: string, buckets: number[], ...labelNames: Label[]): Histogram<Label> {
    return new Histogram({ name, help, buckets, labelNames, registers })
  }

  function gauge (name: string, help: string, read: () => number): Gauge {
    return new Gauge({ name, help, registers, collect () { this.set(read()) } })
  }

  gauge('sse_streams', 'Streams', () => app.sse.size)
  gauge('sse_queued_bytes', 'Bytes that wait for clients', () => app.sse.list().reduce((total, { queued }) => total + queued, 0))
  gauge('sse_runs', 'Runs in progress', () => app.sse.runs.list().filter(({ state }) => state === 'running').length)

  const opened = counter('sse_streams_opened_total', 'Streams that have opened', 'route')
  const closed = counter('sse_streams_closed_total', 'Streams that have closed', 'route', 'reason')
  const refused = counter('sse_streams_refused_total', 'Streams that were refused', 'code')
  const lifetime = histogram('sse_stream_duration_seconds', 'Lifetime of streams', LIFETIMES, 'route')
  const events = counter('sse_events_sent_total', 'Events sent, counted when their stream closes', 'route')
  const bytes = counter('sse_bytes_sent_total', 'Bytes sent, counted when their stream closes', 'route')
  const slow = counter('sse_slow_total', 'Reports of clients that read slowly')
  on('fastify-sse-emitter:stream:open', ({ request }) => { opened.inc({ route: routeOf(request) }) })
  on('fastify-sse-emitter:stream:refuse', ({ error }) => { refused.inc({ code: error.code }) })
  on('fastify-sse-emitter:stream:slow', () => { slow.inc() })
  on('fastify-sse-emitter:stream:close', ({ request, reason, duration, ...sent }) => {
    // A stream that never opened was answered in another way.
    if (duration === undefined) return
    const route = routeOf(request)
    closed.inc({ route, reason })
    lifetime.observe({ route }, duration / 1_000)
    events.inc({ route }, sent.events)
    bytes.inc({ route }, sent.bytes)
  })

  const missed = counter('sse_gaps_total', 'Subscribers that have missed events', 'type')
  const latency = histogram('sse_publish_duration_seconds', 'Time to publish an event', LATENCIES)
  const rejected = counter('sse_publish_errors_total', 'Events that could not be published', 'code')
  on('fastify-sse-emitter:channel:gap', ({ reset }) => { missed.inc({ type: reset ? 'reset' : 'gap' }) })
  on('fastify-sse-emitter:channel:publish', ({ duration, id, error }) => {
    if (id !== undefined) latency.observe(duration / 1_000)
    else rejected.inc({ code: (error as { code?: string } | undefined)?.code ?? 'unknown' })
  })

  const started = counter('sse_runs_started_total', 'Runs that were started')
  const ended = counter('sse_runs_ended_total', 'Runs that have ended', 'state', 'code')
  on('fastify-sse-emitter:run:start', () => { started.inc() })
  on('fastify-sse-emitter:run:end', ({ state, data }) => {
    ended.inc({ state, code: state === 'failed' ? JSON.parse(data).code : '' })
  })

  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
}
