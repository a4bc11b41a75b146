import { setTimeout as sleep } from 'node:timers/promises'
import type { ModelDelta } from './delta.ts'
import { DeltaStream } from './delta-stream.ts'
import type { ModelError } from './errors.ts'
import { Exchange, type ModelRequest } from './exchange.ts'
import { resolveModelOptions, stringifyBody, type ModelOptions, type ModelSettings } from './options.ts'
import type { Protocol } from './protocol.ts'
import { delayOf } from './retry.ts'

/** Asks a model when the first delta is asked for. @throws SSE_ERR_OPTION */
export function ask (protocol: Protocol, body: object, options: ModelOptions): AsyncGenerator<ModelDelta, void, undefined> {
  const settings = resolveModelOptions(options)
  const request = requestOf(protocol, settings, stringifyBody(body, protocol.streaming))
  return new DeltaStream(settings.signal, stream => { answer(protocol, request, settings, stream) })
}

function requestOf (protocol: Protocol, { baseURL, apiKey, headers }: ModelSettings, body: string): ModelRequest {
  const { origin, pathname, search, username, password } = baseURL
  const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return {
    origin,
    path: pathname.replace(/\/+$/, '') + protocol.path + search,
    headers: {
      accept: protocol.type,
      'accept-encoding': 'identity',
      'content-type': 'application/json',
      'user-agent': 'fastify-sse-emitter',
      ...protocol.headers,
      ...user === ':' ? {} : { authorization: `Basic ${Buffer.from(user).toString('base64')}` },
      ...apiKey === undefined ? {} : protocol.credentials(apiKey),
      ...headers
    },
    body
  }
}

/** Asks until there is an answer, or an error that is not to be repeated. */
async function answer (protocol: Protocol, request: ModelRequest, settings: ModelSettings, stream: DeltaStream): Promise<void> {
  for (let repeated = 0; ; repeated++) {
    try {
      await new Exchange(protocol, request, settings, stream).settled
      return stream.end()
    } catch (error) {
      const delay = stream.begun ? undefined : delayOf(error as ModelError, repeated, settings)
      if (delay === undefined) return stream.fail(error)
      await sleep(delay, undefined, { signal: stream.stopped }).catch(() => {})
      if (stream.stopped.aborted) return
    }
  }
}
