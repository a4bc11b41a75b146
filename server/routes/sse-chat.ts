import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger, FastifyPluginAsync } from 'fastify'

const LINES = 10
/** Maximum duration of a stream in milliseconds. */
const TIMEOUT = 360_000

const querystring = {
  type: 'object',
  required: ['name'],
  properties: { name: { type: 'string', minLength: 1, maxLength: 200 } }
}

/** Sends "start" and then ten lines that begin with the caller's name, in the same bytes as Spring's `SseEmitter`. */
export const sseChat: FastifyPluginAsync<{ interval: number }> = async (app, { interval }) => {
  app.get<{ Querystring: { name: string } }>('/sseChat', { schema: { querystring } }, async ({ log, query }, reply) => {
    const emitter = reply.sse({ timeout: TIMEOUT })
    emitter.onCompletion(reason => log.info({ reason }, 'sse complete'))
    emitter.onError(err => log.error({ err }, 'sse error'))

    emitter.send('start')
    emitter.sendAll(signal => lines(query.name, interval, signal, log)).then(
      () => emitter.complete(),
      error => emitter.completeWithError(error)
    )
    log.info('start return sse')
    return emitter
  })
}

async function * lines (name: string, interval: number, signal: AbortSignal, log: FastifyBaseLogger): AsyncGenerator<string> {
  for (let index = 1; index <= LINES; index++) {
    const line = `${name}: the next index:${index}`
    // Control characters in a name could manipulate the terminal that shows the log.
    log.info(line.replaceAll(/\p{Cc}/gu, '\uFFFD'))
    yield line
    await sleep(interval, undefined, { signal })
  }
}
