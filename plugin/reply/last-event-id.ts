import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { END_ID } from '../wire/end-id.ts'

/**
 * Whether a client has received the last event of a stream that has ended for good, see {@link END_ID}.
 *
 * @param parameter the name of the query parameter
 */
export function hasReceivedEnd (request: FastifyRequest, parameter: string): boolean {
  const { headers, url } = request.raw as IncomingMessage
  // Every request passes here. Only an id that may be it is decoded.
  return (headers['last-event-id'] === END_ID || url!.includes(END_ID)) && lastEventIdOf(request, parameter) === END_ID
}

/**
 * Returns the last event id that a client sent: from the `Last-Event-ID` header, or else from a query parameter.
 *
 * @param parameter the name of the query parameter
 */
export function lastEventIdOf ({ raw }: FastifyRequest, parameter: string): string | undefined {
  const { headers, url } = raw as IncomingMessage
  const header = headers['last-event-id']
  // Clients send UTF-8 (HTML standard); Node.js decodes header values as Latin-1.
  if (typeof header === 'string' && header !== '') return Buffer.from(header, 'latin1').toString()
  // Not `request.query`: a route's schema may have removed the parameter.
  const query = url!.indexOf('?')
  if (query === -1) return undefined
  return new URLSearchParams(url!.slice(query)).get(parameter) || undefined
}
