import { ServerResponse } from 'node:http'
import { constants, Http2ServerResponse } from 'node:http2'
import { Socket } from 'node:net'
import { SocketTransport, StreamTransport, type Transport } from '../stream/transport.ts'

/** A response of Node's, of either kind. */
export type RawResponse = ServerResponse | Http2ServerResponse

/** Whether the connection is over already. */
export function hasEnded (raw: RawResponse): boolean {
  if (isHttp2(raw)) return raw.stream.destroyed || raw.stream.closed
  return raw.destroyed || raw.req.socket.destroyed
}

/** Calls once when the connection is over: the response has gone out, or the client has. */
export function onOver (raw: RawResponse, listener: () => void): void {
  if (isHttp2(raw) || raw.socket !== null) {
    raw.once('close', listener)
    return
  }
  // A response that waits in a pipeline has no socket yet and does not hear of its end.
  const { socket } = raw.req
  const over = (): void => {
    raw.off('close', over)
    socket.off('close', over)
    listener()
  }
  raw.on('close', over)
  socket.on('close', over)
  raw.once('socket', () => socket.off('close', over))
}

/** Whether all that was written has left. */
export function hasDelivered (raw: RawResponse): boolean {
  return isHttp2(raw) ? raw.stream.writableFinished : raw.writableFinished
}

/** Lets no timeout of the server's end the response; on HTTP/2 the socket is not this response's alone. */
export function clearTimeouts (raw: RawResponse): void {
  socketOf(raw)?.setTimeout(0)
}

/** Sends the headers, and gives the fastest way for what follows. */
export function sendHeaders (raw: RawResponse): Transport {
  const socket = ownSocket(raw)
  socket?.cork()
  // HTTP/2 has it as well, which its types forget.
  ;(raw as ServerResponse).flushHeaders()
  if (socket !== undefined && (raw as ServerResponse).chunkedEncoding) return new SocketTransport(socket, true)
  socket?.uncork()
  return new StreamTransport(raw)
}

/** Closes the connection after the response, so that the client has to make a new one. */
export function hangUp (raw: RawResponse): void {
  if (isHttp2(raw)) raw.stream.session?.close()
  else raw.once('finish', () => { socketOf(raw)?.destroySoon() })
}

/** Cuts the response off, whatever waits; on HTTP/2 only its own stream. */
export function cutOff (raw: RawResponse): void {
  if (isHttp2(raw)) raw.stream.close(constants.NGHTTP2_CANCEL)
  // Not the response's socket, which one that waits in a pipeline has not got yet.
  else (socketOf(raw) ?? raw).destroy()
}

/** The socket of HTTP/1 that the request came by. An injected request has none. */
function socketOf (raw: RawResponse): Socket | undefined {
  if (isHttp2(raw)) return undefined
  const { socket } = raw.req
  return socket instanceof Socket ? socket : undefined
}

/** The same, if the response may write to it now and nobody has put himself in between. */
function ownSocket (raw: RawResponse): Socket | undefined {
  const socket = socketOf(raw)
  return raw.socket === socket && raw.write === ServerResponse.prototype.write ? socket : undefined
}

function isHttp2 (raw: RawResponse): raw is Http2ServerResponse {
  return raw instanceof Http2ServerResponse
}
