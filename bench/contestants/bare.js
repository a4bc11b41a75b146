/** Node's http by hand: what one writes without a library, done right. */
import http from 'node:http'
import { once } from 'node:events'

const HEADERS = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }

export async function start ({ heartbeat }) {
  const idle = new Set()
  setInterval(() => { for (const response of idle) response.write(':\n\n') }, heartbeat).unref()

  const server = http.createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://x')
    response.writeHead(200, HEADERS)
    if (pathname === '/stream') {
      const data = 'x'.repeat(searchParams.get('size'))
      for (let left = Number(searchParams.get('count')); left > 0; left--) {
        if (!response.write(`data: ${data}\n\n`)) await once(response, 'drain')
      }
      response.end()
    } else {
      if (pathname === '/first') response.write('data: first\n\n')
      else response.flushHeaders()
      idle.add(response)
      response.on('close', () => { idle.delete(response) })
    }
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return server.address().port
}
