/** Plain node:http: a correct implementation without a library. */
import http from 'node:http'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

const HEADERS = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }

export async function start ({ heartbeat }) {
  const idle = new Set()
  setInterval(() => { for (const response of idle) response.write(':\n\n') }, heartbeat).unref()
  const subscribers = new Set()
  const publish = data => {
    const frame = `data: ${data}\n\n`
    for (const response of subscribers) response.write(frame)
  }

  const server = http.createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://x')
    if (pathname === '/publish') {
      publish(await text(request))
      response.writeHead(204).end()
      return
    }
    response.writeHead(200, HEADERS)
    if (pathname === '/stream') {
      const data = 'x'.repeat(searchParams.get('size'))
      for (let remaining = Number(searchParams.get('count')); remaining > 0; remaining--) {
        if (!response.write(`data: ${data}\n\n`)) await once(response, 'drain')
      }
      response.end()
    } else {
      if (pathname === '/first') response.write('data: first\n\n')
      else response.flushHeaders()
      const responses = pathname === '/subscribe' ? subscribers : idle
      responses.add(response)
      response.on('close', () => { responses.delete(response) })
    }
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { port: server.address().port, publish }
}
