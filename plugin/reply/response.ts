import { ServerResponse } from 'node:http'
import { constants, Http2ServerResponse, type Http2Session, type ServerHttp2Stream } from 'node:http2'
import { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { SseReason } from '../base/errors.ts'
import { InjectedTransport, SocketTransport, StreamTransport, type Transport } from '../stream/transport.ts'

/** A response of Node.js, over HTTP/1 or HTTP/2. */
export type RawResponse = ServerResponse | Http2ServerResponse

/** Milliseconds until the reset of an HTTP/2 stream must have been sent. Otherwise, its connection is closed. */
const RESET_TIMEOUT = 1_000

/** Whether the connection is closed. */
export function isClosed (raw: RawResponse): boolean {
  if (isHttp2(raw)) return raw.stream.destroyed || raw.stream.closed
  return raw.destroyed || raw.req.socket.destroyed
}

/** Whether the response waits for an earlier one on its connection, because the client has pipelined its requests. */
export function isQueued (raw: RawResponse): boolean {
  return !isHttp2(raw) && raw.socket === null
}

/** Returns the HTTP/2 connection of a response, which may have other responses at the same time. */
export function sessionOf (raw: RawResponse): object | undefined {
  return isHttp2(raw) ? raw.stream.session : undefined
}

/**
 * Calls the listener once the response is complete or its client has disconnected.
 *
 * A client that pipelines more requests behind the response than Node.js accepts is disconnected. Otherwise, Node.js would
 * stop reading from it, and would not notice when it disconnects.
 *
 * An HTTP/2 stream is destroyed when its client resets it. After a reset without an error code, Node.js would otherwise wait
 * forever for queued data to be written.
 */
export function onceClosed (raw: RawResponse, listener: () => void): void {
  if (isHttp2(raw)) {
    const { stream } = raw
    stream.once('aborted', () => { if (isReset(stream)) stream.destroy() })
    raw.once('close', listener)
    return
  }
  const socket = socketOf(raw)
  // While the body of the response's own request arrives, nothing can be pipelined, but its reader may pause the socket.
  const paused = (): void => { if (raw.req.complete) socket!.destroy() }
  socket?.on('pause', paused)
  raw.once('close', () => {
    socket?.off('pause', paused)
    listener()
  })
}

/** Whether the request was made with `app.inject()`, which has no socket. */
export function isInjected (raw: RawResponse): boolean {
  return !isHttp2(raw) && socketOf(raw) === undefined
}

/** Whether everything written has been handed to the operating system. */
export function isDelivered (raw: RawResponse): boolean {
  // A stream that is reset may be finished as well.
  if (isHttp2(raw)) return raw.stream.writableFinished && !raw.stream.aborted && raw.stream.rstCode === constants.NGHTTP2_NO_ERROR
  // An injected response is destroyed by its end.
  return raw.writableFinished || (raw.writableEnded && isInjected(raw))
}

/**
 * Returns the reason to report for a connection that closed before its stream ended.
 *
 * @param piped whether the stream was written to the client
 */
export function closeReason (raw: RawResponse, piped: boolean): SseReason {
  if (piped || !raw.writableEnded) return 'client'
  return raw.statusCode >= 400 ? 'error' : 'complete'
}

/** Disables the server's timeouts for a response. On HTTP/2, the socket is shared with others and keeps them. */
export function clearTimeouts (raw: RawResponse): void {
  socketOf(raw)?.setTimeout(0)
}

/** Sends the headers. @returns the fastest transport for what follows */
export function sendHeaders (raw: RawResponse): Transport {
  const socket = ownSocket(raw)
  socket?.cork()
  // HTTP/2 responses have this method, too, but their types lack it.
  ;(raw as ServerResponse).flushHeaders()
  if (socket !== undefined && (raw as ServerResponse).chunkedEncoding) return new SocketTransport(socket, true)
  socket?.uncork()
  return isInjected(raw) ? new InjectedTransport(raw) : new StreamTransport(raw)
}

/** Closes the connection after the response, so that the client makes a new one. */
export function closeAfterResponse (raw: RawResponse): void {
  if (isHttp2(raw)) raw.stream.session?.close()
  else raw.once('finish', () => { socketOf(raw)?.destroySoon() })
}

/** Closes the connection immediately and discards queued data; on HTTP/2, only the stream of this response. */
export function cutConnection (raw: RawResponse): void {
  if (isHttp2(raw)) resetStream(raw.stream)
  else (socketOf(raw) ?? raw).destroy()
}

function resetStream (stream: ServerHttp2Stream): void {
  if (isReset(stream)) stream.destroy()
  if (stream.closed) return
  stream.close(constants.NGHTTP2_CANCEL)
  // Node.js keeps the stream until the reset is sent, which is never if the client reads nothing from the connection.
  const timer = setTimeout(() => { destroySocket(stream.session!) }, RESET_TIMEOUT)
  stream.once('close', () => { clearTimeout(timer) })
}

/** Whether the client has reset a stream without an error code. Node.js keeps it until everything is written, which never is. */
function isReset ({ closed, rstCode }: ServerHttp2Stream): boolean {
  return closed && rstCode === constants.NGHTTP2_NO_ERROR
}

/** Closes the connection immediately. `session.destroy()` waits until everything is sent, and `session.socket.destroy` calls it. */
function destroySocket (session: Http2Session): void {
  Duplex.prototype.destroy.call(session.socket)
}

/** Returns the HTTP/1 socket of the request. An injected request has none. */
function socketOf (raw: RawResponse): Socket | undefined {
  if (isHttp2(raw)) return undefined
  const { socket } = raw.req
  return socket instanceof Socket ? socket : undefined
}

/** Returns the socket if the response may write to it now and nothing intercepts its writes. */
function ownSocket (raw: RawResponse): Socket | undefined {
  const socket = socketOf(raw)
  return raw.socket === socket && raw.write === ServerResponse.prototype.write ? socket : undefined
}

function isHttp2 (raw: RawResponse): raw is Http2ServerResponse {
  return raw instanceof Http2ServerResponse
}
