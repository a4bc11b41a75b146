import { Readable } from 'node:stream'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { SSE_ERR_OPTION } from '../base/errors.ts'
import { nextTurn } from '../base/event-loop.ts'
import { InjectedStream } from './injected-stream.ts'
import { ObservedEnd } from './observed-end.ts'

/** The request of `injectSse()`. */
export interface InjectSseOptions {
  /** The path, with the query string. */
  readonly url: string
  /** @default 'GET' */
  readonly method?: InjectOptions['method']
  readonly headers?: InjectOptions['headers']
  /** The body, as for `app.inject()`: an object is sent as JSON. */
  readonly payload?: InjectOptions['payload']
  /** The id of the last event that the client has received: its `Last-Event-ID` header. */
  readonly lastEventId?: string | undefined
  /** Disconnects the client when it is aborted. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Sends a request to an application without a network, as `app.inject()` does, and reads the event stream of the response as it
 * is written.
 *
 * @param app an application of any server, logger and type provider
 * @returns a promise that resolves when the headers of the response are sent, whatever its status is, and what was written with
 *   them has been received. It rejects when `app.inject()` would, and with the reason of `signal` if that is aborted first
 */
export async function injectSse (app: Pick<FastifyInstance, 'inject'>, options: InjectSseOptions): Promise<InjectedStream> {
  const { url, method = 'GET', lastEventId, signal } = options
  signal?.throwIfAborted()
  const client = new AbortController()
  const disconnect = (): void => { client.abort() }
  signal?.addEventListener('abort', disconnect)
  const end = new ObservedEnd(() => { signal?.removeEventListener('abort', disconnect) })
  try {
    const response = await app.inject({ url, method, ...contentOf(options), signal: client.signal, payloadAsStream: true })
    const route = `${method} ${url}`
    const repeat = (lastEventId: string | undefined): Promise<InjectedStream> => injectSse(app, { ...options, lastEventId })
    const stream = new InjectedStream({ route, lastEventId, repeat }, response, end.of(response.raw.res))
    await nextTurn()
    return stream
  } catch (error) {
    end.stop()
    signal?.throwIfAborted()
    throw error
  }
}

function contentOf ({ headers: given, payload, lastEventId }: InjectSseOptions): Pick<InjectOptions, 'headers' | 'payload'> {
  const headers = Object.fromEntries(Object.entries(given ?? {}).map(([name, value]) => [name.toLowerCase(), value]))
  // Clients send UTF-8, and Node.js decodes header values as Latin-1.
  if (lastEventId !== undefined) headers['last-event-id'] = Buffer.from(lastEventId).toString('latin1')
  // Unless a payload is a stream, app.inject() passes it on by setImmediate(), which tests may fake, and then ignores the signal.
  if (payload == null) return { headers, payload: Readable.from([]) }
  const isText = typeof payload === 'string' || Buffer.isBuffer(payload)
  if (!isText && (payload instanceof FormData || 'resume' in payload)) {
    // The request would never end.
    if (Readable.isDisturbed(payload as Readable)) throw new SSE_ERR_OPTION('The payload of injectSse() must not be a stream that was read before')
    return { headers, payload }
  }
  const body = Buffer.from(isText ? payload as string : JSON.stringify(payload))
  if (!isText) headers['content-type'] ??= 'application/json'
  headers['content-length'] ??= String(body.length)
  return { headers, payload: Readable.from([body]) }
}
