import type { FastifyServerOptions } from 'fastify'
import { EventSource } from 'eventsource'
import t, { type Test } from 'tap'
import type { SseEmitter, SsePluginOptions } from 'fastify-sse-emitter'
import { build } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'
import { eventually } from '../fixtures/eventually.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { blockOf, startNginx } from '../fixtures/proxies.ts'
import { freePort } from '../fixtures/redis-server.ts'
import { until } from '../fixtures/until.ts'

/** Starts an application whose clients receive an event each, and calls back with their emitters. */
async function startApplication (t: Test, port: number, onEmitter: (emitter: SseEmitter) => void = () => {}, options: SsePluginOptions = {}, server: FastifyServerOptions = {}) {
  const { app } = await build(t, options, server)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    onEmitter(emitter)
    await emitter.send('hello')
    return emitter
  })
  app.get('/client', async ({ ip, protocol, headers }) => ({ ip, origin: `${protocol}://${headers.host}`, forwardedFor: headers['x-forwarded-for'] }))
  await app.listen({ port, host: '127.0.0.1' })
  return app
}

suiteWith(t, 'nginx', 'behind nginx, configured as in the README', async (t, nginx) => {
  /** @returns the URL of the proxy, and the port of the application */
  const startProxy = async (t: Test): Promise<{ url: string, upstream: number }> => {
    const [port, upstream] = [await freePort(), await freePort()]
    const location = blockOf('README.md', 'nginx').replace('127.0.0.1:3000', `127.0.0.1:${upstream}`).replace('retry: 3000', 'retry: 50')
    await startNginx(t, nginx, port, `gzip on; gzip_types *; server { listen 127.0.0.1:${port}; ${location} }`)
    return { url: `http://127.0.0.1:${port}/`, upstream }
  }

  t.test('events arrive immediately, and a disconnect closes the stream', async t => {
    const { url, upstream } = await startProxy(t)
    const emitters: SseEmitter[] = []
    await startApplication(t, upstream, emitter => { emitters.push(emitter) }, { heartbeat: 100 })
    const attempt = call(url)
    const message = await attempt.response
    t.equal(message.headers['content-type'], 'text/event-stream; charset=utf-8')
    let text = ''
    message.setEncoding('utf8').on('data', chunk => { text += chunk })
    await until(() => text.startsWith('data:hello\n\n'), 'the first event has arrived')
    await until(() => decode(text).comments.length > 0, 'a heartbeat has arrived')
    await emitters[0]!.send('again')
    await until(() => text.includes('data:again\n\n'), 'another event has arrived')
    attempt.request.destroy()
    t.equal(await emitters[0]!.closed, 'client', 'a disconnect of the client closes the stream')

    const completed = call(url)
    await completed.response
    emitters[1]!.complete()
    t.equal((await completed.readAll()).body, 'data:hello\n\n', 'the response ends with the stream')
  })

  t.test('an application that trusts the proxy knows the address of the client and the origin of its page', async t => {
    const { url, upstream } = await startProxy(t)
    await startApplication(t, upstream, undefined, {}, { trustProxy: '127.0.0.1' })
    const { origin } = new URL(url)
    t.strictSame(await (await fetch(`${url}client`)).json(), { ip: '127.0.0.1', origin, forwardedFor: '127.0.0.1' })
    const forged = await fetch(`${url}client`, { headers: { 'x-forwarded-for': '10.0.0.1', 'x-forwarded-proto': 'https' } })
    t.match(await forged.json(), { origin, forwardedFor: '10.0.0.1, 127.0.0.1' }, 'what a client forges is replaced, or precedes its address')
  })

  t.test('while the application restarts, streams reconnect and other requests are answered with 502', async t => {
    const { url, upstream } = await startProxy(t)
    let responses = 0
    const source = new EventSource(url, {
      fetch: async (target, init) => {
        const response = await fetch(target, init)
        responses++
        return response
      }
    })
    t.teardown(() => { source.close() })
    const received: string[] = []
    source.addEventListener('message', ({ data }) => { received.push(data) })
    await until(() => responses >= 2, 'the client has tried twice')
    t.equal((await fetch(url)).status, 502)
    const app = await startApplication(t, upstream)
    await until(() => received.length === 1, 'the client is connected')
    await app.close()
    const before = responses
    await until(() => responses > before, 'the client has tried again')
    await startApplication(t, upstream)
    await eventually(() => { if (received.length < 2) throw new Error('not connected again') })
  })
})
