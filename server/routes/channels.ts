import type { FastifyPluginAsync } from 'fastify'
import { errors, type SseChannel } from 'fastify-sse-emitter'
import { requireToken } from '../bearer-token.ts'
import { ChannelNameLimit } from '../channel-name-limit.ts'
import { sessionKey } from '../session.ts'

/** Milliseconds for which an event is kept, and the name of its channel stays in use. */
const MAX_AGE = 10 * 60 * 1_000
const HISTORY = { count: 1_000, age: MAX_AGE, bytes: 1024 * 1024 }
const BODY_LIMIT = 64 * 1024

const params = {
  type: 'object',
  properties: { name: { type: 'string', pattern: '^[a-z0-9-]{1,64}$' } }
}

const querystring = {
  type: 'object',
  properties: { from: { type: 'string', enum: ['now', 'start'], default: 'now' } }
}

const headers = {
  type: 'object',
  properties: { 'idempotency-key': { type: 'string', pattern: '^[ -~]{1,255}$' } }
}

const body = {
  type: 'object',
  required: ['data'],
  additionalProperties: false,
  // Data may be any JSON value, including null.
  properties: { data: {}, event: { type: 'string', minLength: 1, maxLength: 100 } }
}

interface SubscribeRoute {
  Params: { name: string }
  Querystring: { from: 'now' | 'start' }
}

interface PublishRoute {
  Params: { name: string }
  Headers: { 'idempotency-key'?: string }
  Body: { data: unknown, event?: string }
}

export interface ChannelsOptions {
  /** Bearer token required to publish; if empty, anyone may publish. */
  readonly token: string
  /**
   * Maximum number of channel names in use at once. A name is in use while it has subscribers, and while a published event
   * is kept. @default 1000
   */
  readonly limit?: number
  /** Maximum number of channel names that one client brings into use at once. @default limit */
  readonly limitPerClient?: number
}

/**
 * Channels that anyone may subscribe to, and clients with the token may publish to. A client that reconnects resumes after
 * its `Last-Event-ID`, which the plugin reads. `from` is where a client without an id starts.
 */
export const channels: FastifyPluginAsync<ChannelsOptions> = async (app, { token, limit = 1_000, limitPerClient }) => {
  const names = new ChannelNameLimit(limit, limitPerClient)
  const channelOf = (name: string): SseChannel => app.sse.channel(`demo:${name}`, { history: HISTORY })

  app.get<SubscribeRoute>('/channels/:name', { schema: { params, querystring } }, async ({ params: { name }, query: { from }, ip }, reply) => {
    const emitter = reply.sse()
    names.acquire(name, ip)
    emitter.onCompletion(() => names.release(name))
    await emitter.subscribe(channelOf(name), { from })
    return emitter
  })

  app.post<PublishRoute>('/channels/:name', { bodyLimit: BODY_LIMIT, onRequest: requireToken(token, 'Publishing', 'PUBLISH_TOKEN'), schema: { params, headers, body } }, async (request, reply) => {
    const { params: { name }, headers, body, ip } = request
    names.acquire(name, ip)
    let reserve = 0
    try {
      const { id, repeated } = await publish(channelOf(name), body, headers['idempotency-key'] && sessionKey(request, headers['idempotency-key']))
      if (!repeated) reserve = MAX_AGE
      reply.code(repeated ? 200 : 201)
      return { id }
    } finally {
      names.release(name, reserve)
    }
  })
}

async function publish (channel: SseChannel, { data, event }: PublishRoute['Body'], key: string | undefined): Promise<{ id: string, repeated: boolean }> {
  try {
    return await channel.publish(data, { event, idempotencyKey: key })
  } catch (error) {
    // The client wrote the event, so the error is the client's.
    if (error instanceof errors.SSE_ERR_EVENT || error instanceof errors.SSE_ERR_SERIALIZE) Object.assign(error, { statusCode: 400 })
    throw error
  }
}
