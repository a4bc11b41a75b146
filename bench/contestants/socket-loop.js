/** The minimum cost of a fan-out in Node.js: writes one framed Buffer to every socket, without backpressure. */
import http from 'node:http'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

export async function start () {
  const sockets = new Set()
  const publish = data => {
    const frame = `data:${data}\n\n`
    const chunk = Buffer.from(`${Buffer.byteLength(frame).toString(16)}\r\n${frame}\r\n`)
    for (const socket of sockets) socket.write(chunk)
  }

  const server = http.createServer(async (request, response) => {
    if (request.url === '/publish') {
      publish(await text(request))
      response.writeHead(204).end()
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
    response.flushHeaders()
    const { socket } = response
    sockets.add(socket)
    response.on('close', () => { sockets.delete(socket) })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { port: server.address().port, publish }
}
