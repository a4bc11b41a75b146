import { once } from 'node:events'
import http, { ServerResponse, type IncomingMessage } from 'node:http'
import http2, { type Http2ServerResponse } from 'node:http2'
import net, { type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { http2RequestWithoutLimits } from '../fixtures/http2-request.ts'
import { closeAfterResponse, cutConnection, isClosed, isDelivered, isQueued, onceClosed, sendHeaders, sessionOf, type RawResponse } from '../../plugin/reply/response.ts'
import { SocketTransport, StreamTransport } from '../../plugin/stream/transport.ts'

/** A request over HTTP/1.1, and the response to it. */
async function http1 (t: Test, head = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'): Promise<{ raws: ServerResponse[], client: net.Socket, received: () => string }> {
  const raws: ServerResponse[] = []
  const server = http.createServer((_request: IncomingMessage, raw) => { raws.push(raw) })
  t.teardown(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => client.destroy())
  let text = ''
  client.setEncoding('utf8').on('data', chunk => { text += chunk })
  client.write(head)
  while (raws.length < head.split('HTTP/1.').length - 1) await new Promise(resolve => { setImmediate(resolve) })
  return { raws, client, received: () => text }
}

async function http2Stream (t: Test): Promise<{ raw: Http2ServerResponse, request: http2.ClientHttp2Stream, client: http2.ClientHttp2Session }> {
  const server = http2.createServer()
  t.teardown(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.teardown(() => client.destroy())
  const request = client.request({ ':path': '/' })
  request.on('error', () => {})
  const [, raw] = await once(server, 'request') as [unknown, Http2ServerResponse]
  return { raw, request, client }
}

const closing = (raw: RawResponse): Promise<void> => new Promise(resolve => { onceClosed(raw, resolve) })

/** Sends more than the client's window, after which the client resets its stream without an error code. */
async function resetWithoutCode (t: Test, write: (raw: Http2ServerResponse, text: string) => void): Promise<{ raw: Http2ServerResponse, closed: Promise<void> }> {
  const { raw, request } = await http2Stream(t)
  const closed = closing(raw)
  sendHeaders(raw)
  write(raw, 'x'.repeat(200_000))
  await once(request, 'response')
  request.close(http2.constants.NGHTTP2_NO_ERROR)
  return { raw, closed }
}

t.test('a response over HTTP/1.1', async t => {
  t.test('is written to its socket in chunks', async t => {
    const { raws: [raw], received } = await http1(t)
    const transport = sendHeaders(raw!)
    t.type(transport, SocketTransport)
    transport.begin(1_000, () => {})
    transport.write('a')
    transport.flush()
    while (!received().endsWith('1\r\na\r\n')) await new Promise(resolve => { setImmediate(resolve) })
    t.match(received(), /^HTTP\/1.1 200 OK\r\n/)
  })

  t.test('is written with write() where that is replaced', async t => {
    const { raws: [raw] } = await http1(t)
    const { write } = raw!
    raw!.write = function (...args: unknown[]) { return Reflect.apply(write, this, args) }
    t.type(sendHeaders(raw!), StreamTransport)
  })

  t.test('is written with write() over HTTP/1.0', async t => {
    const { raws: [raw] } = await http1(t, 'GET / HTTP/1.0\r\n\r\n')
    t.type(sendHeaders(raw!), StreamTransport)
  })

  t.test('is closed when the client disconnects', async t => {
    const { raws: [raw], client } = await http1(t)
    t.equal(isClosed(raw!), false)
    const closed = closing(raw!)
    client.destroy()
    await closed
    t.equal(isClosed(raw!), true)
    t.equal(isDelivered(raw!), false)
  })

  t.test('is closed when it has ended, and everything is delivered', async t => {
    const { raws: [raw] } = await http1(t)
    const closed = closing(raw!)
    raw!.end('x')
    await closed
    t.equal(isDelivered(raw!), true)
  })

  t.test('is queued while another response is sent on its connection', async t => {
    const { raws: [first, second] } = await http1(t, 'GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n')
    t.equal(isQueued(first!), false)
    t.equal(isQueued(second!), true)
    first!.end()
    await once(second!, 'socket')
    t.equal(isQueued(second!), false)
    t.equal(sessionOf(second!), undefined)
  })

  t.test('is closed if more requests are pipelined behind it than Node.js accepts', async t => {
    const { raws: [raw], client } = await http1(t)
    const closed = closing(raw!)
    raw!.flushHeaders()
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(5))
    await new Promise(resolve => { setTimeout(resolve, 20) })
    t.equal(isClosed(raw!), false, 'a few requests wait for their responses')
    raw!.req.socket.pause()
    await closed
    t.equal(isClosed(raw!), true)
  })

  t.test('stays open if the reader of its request pauses the connection', async t => {
    const { raws: [raw], client } = await http1(t, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2000000\r\n\r\n')
    const closed = closing(raw!)
    const paused = once(raw!.req.socket, 'pause')
    client.write(Buffer.alloc(1_000_000))
    await paused
    t.equal(isClosed(raw!), false)
    raw!.req.resume()
    client.write(Buffer.alloc(1_000_000))
    await once(raw!.req, 'end')
    raw!.end()
    await closed
    t.equal(raw!.writableFinished, true)
  })

  t.test('leaves no listener on its connection', async t => {
    const { raws: [raw] } = await http1(t)
    const { socket } = raw!.req
    const listeners = socket.listenerCount('pause')
    const closed = closing(raw!)
    t.equal(socket.listenerCount('pause'), listeners + 1)
    raw!.end()
    await closed
    t.equal(socket.listenerCount('pause'), listeners)
  })

  t.test('closes its connection after the end', async t => {
    const { raws: [raw], client, received } = await http1(t)
    closeAfterResponse(raw!)
    raw!.end('bye')
    await once(client, 'close')
    t.match(received(), /bye/)
  })

  t.test('is cut with what is queued, also behind another', async t => {
    const { raws, client } = await http1(t, 'GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n')
    cutConnection(raws[1]!)
    await once(client, 'close')
    t.equal(isClosed(raws[0]!), true)
  })
})

t.test('a response over HTTP/2', async t => {
  t.test('is written with write()', async t => {
    const { raw } = await http2Stream(t)
    t.type(sendHeaders(raw), StreamTransport)
  })

  t.test('is closed when the client resets the stream', async t => {
    const { raw, request } = await http2Stream(t)
    t.equal(isClosed(raw), false)
    const closed = closing(raw)
    request.close()
    await closed
    t.equal(isClosed(raw), true)
  })

  t.test('is closed when the client resets the stream without an error code, whatever waits for it', async t => {
    const { raw, closed } = await resetWithoutCode(t, (raw, text) => { raw.write(text) })
    await closed
    t.equal(isDelivered(raw), false)
  })

  t.test('is cut if its client has reset the stream after the end', async t => {
    const { raw, closed } = await resetWithoutCode(t, (raw, text) => { raw.end(text) })
    await once(raw.stream, 'end')
    cutConnection(raw)
    await closed
    t.equal(isDelivered(raw), false)
  })

  t.test('is cut if its client reads nothing from the connection', async t => {
    const server = http2.createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const client = net.connect((server.address() as AddressInfo).port, '127.0.0.1').pause()
    t.teardown(() => {
      client.destroy()
      server.close()
    })
    client.write(http2RequestWithoutLimits())
    const [, raw] = await once(server, 'request') as [unknown, Http2ServerResponse]
    const closed = closing(raw)
    sendHeaders(raw)
    // More than the operating system buffers.
    raw.write('x'.repeat(32 * 1024 * 1024))
    await new Promise(resolve => { setImmediate(resolve) })
    cutConnection(raw)
    await closed
    t.equal(isDelivered(raw), false)
  })

  t.test('asks the client to make a new connection after the end', async t => {
    const { raw, request, client } = await http2Stream(t)
    closeAfterResponse(raw)
    raw.end('bye')
    request.resume()
    await once(client, 'close')
    t.equal(isDelivered(raw), true)
  })

  t.test('is cut without its connection', async t => {
    const { raw, request, client } = await http2Stream(t)
    sendHeaders(raw)
    cutConnection(raw)
    await once(request, 'close')
    t.equal(request.rstCode, http2.constants.NGHTTP2_CANCEL)
    t.equal(client.closed, false)
  })
})
