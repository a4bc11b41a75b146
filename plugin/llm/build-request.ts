import type { Dispatcher } from 'undici'
import { SSE_ERR_OPTION } from '../base/errors.ts'
import { describe } from '../base/option-checks.ts'
import type { ModelSettings } from './options.ts'
import type { Protocol } from './protocols/protocol.ts'

export interface ModelRequest extends Pick<Dispatcher.DispatchOptions, 'origin' | 'path' | 'body'> {
  /** POST by default. */
  readonly method?: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
}

type RequestSettings = Pick<ModelSettings, 'baseURL' | 'apiKey' | 'headers'>

/**
 * Builds the HTTP request that asks a model for a streamed answer.
 *
 * @throws SSE_ERR_OPTION if `body` is not an object that can be serialized as JSON
 */
export function buildRequest (protocol: Protocol, settings: RequestSettings, body: object): ModelRequest {
  const { origin, pathname, search } = settings.baseURL
  return {
    origin,
    path: pathname.replace(/\/+$/, '') + protocol.path + search,
    headers: buildHeaders(protocol, settings),
    body: serializeBody(protocol, body)
  }
}

/** Later headers replace earlier ones, so that an API key wins over the URL's credentials, and the caller's headers win over both. */
function buildHeaders (protocol: Protocol, { baseURL, apiKey, headers }: RequestSettings): Record<string, string> {
  const credentials = `${decodeURIComponent(baseURL.username)}:${decodeURIComponent(baseURL.password)}`
  return {
    accept: protocol.contentType,
    'accept-encoding': 'identity',
    'content-type': 'application/json',
    'user-agent': 'fastify-sse-emitter',
    ...protocol.headers,
    ...credentials === ':' ? {} : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` },
    ...apiKey === undefined ? {} : protocol.authHeaders(apiKey),
    ...headers
  }
}

function serializeBody (protocol: Protocol, body: unknown): string {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new SSE_ERR_OPTION('The body of a model request must be an object', `received ${describe(body)}`)
  try {
    return JSON.stringify(protocol.streamingBody(body))
  } catch (cause) {
    throw Object.assign(new SSE_ERR_OPTION('The body of a model request must be serializable as JSON'), { cause })
  }
}
