import type { FastifyPluginAsync } from 'fastify'
import { errors, type SseChannel } from 'fastify-sse-emitter'
import { requireToken } from '../bearer-token.ts'
import { Names } from '../channel-name-limit.ts'

/** Milliseconds for which an event is kept, and the name of its channel in use. */
const AGE = 10 * 60 * 1_000
const HISTORY = { count: 1_000, age: AGE, bytes: 1024 * 1024 }
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
  // Data may be anything, also null.
  properties: { data: {}, event: { type: 'string', minLength: 1, maxLength: 100 } }
}

interface Follow {
  Params: { name: string }
  Querystring: { from: 'now' | 'start' }
}

interface Publish {
  Params: { name: string }
  Headers: { 'idempotency-key'?: string }
  Body: { data: unknown, event?: string }
}

/**
 * Channels that whoever asks may follow, and whoever has the token may publish to. A client that comes back says by
 * `Last-Event-ID` where it stands, which the plugin reads; `from` is where one begins that does not.
 *
 * @param token what publishing takes; empty: nothing
 * @param limit names in use at once: a name is while somebody follows it, and as long as what was published is kept
 */
export const channels: FastifyPluginAsync<{ token: string, limit?: number }> = async (app, { token, limit = 1_000 }) => {
  const names = new Names(limit)
  const channelOf = (name: string): SseChannel => app.sse.channel(`demo:${name}`, { history: HISTORY })

  app.get<Follow>('/channels/:name', { schema: { params, querystring } }, async ({ params: { name }, query: { from } }, reply) => {
    const emitter = reply.sse()
    names.take(name)
    emitter.onCompletion(() => names.giveBack(name))
    await emitter.subscribe(channelOf(name), { from })
    return emitter
  })

  app.post<Publish>('/channels/:name', { bodyLimit: BODY_LIMIT, onRequest: requireToken(token), schema: { params, headers, body } }, async ({ params: { name }, headers, body }, reply) => {
    names.take(name)
    let lasting = 0
    try {
      const { id, repeated } = await publish(channelOf(name), body, headers['idempotency-key'])
      if (!repeated) lasting = AGE
      reply.code(repeated ? 200 : 201)
      return { id }
    } finally {
      names.giveBack(name, lasting)
    }
  })
}

async function publish (channel: SseChannel, { data, event }: Publish['Body'], key: string | undefined): Promise<{ id: string, repeated: boolean }> {
  try {
    return await channel.publish(data, { event, idempotencyKey: key })
  } catch (error) {
    // It is the client who wrote the event.
    if (error instanceof errors.SSE_ERR_EVENT || error instanceof errors.SSE_ERR_SERIALIZE) Object.assign(error, { statusCode: 400 })
    throw error
  }
}
