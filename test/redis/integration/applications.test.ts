import { EventSource } from 'eventsource'
import t, { type Test } from 'tap'
import { redisBroker } from '../../../plugin/redis/index.ts'
import { build } from '../../fixtures/app.ts'
import { eventually } from '../../fixtures/eventually.ts'
import { suiteWith } from '../../fixtures/programs.ts'
import { RedisServer } from '../../fixtures/redis-server.ts'
import { rollingRestart } from '../../fixtures/rolling-restart.ts'

/** Starts an application on a Redis whose clients subscribe to the channel `news`. */
async function startApplication (t: Test, server: RedisServer, port = 0) {
  const { app } = await build(t, { broker: redisBroker({ url: server.url, probe: 200, timeout: 2_000, onError: () => {} }), shutdownGrace: 0, retry: 10 })
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.subscribe(app.sse.channel('news'))
  })
  const url = await app.listen({ port, host: '127.0.0.1' })
  return { app, url, publish: (text: string) => app.sse.channel('news').publish(text) }
}

/** Connects a client. @returns the data of messages and the types of markers, as they are received */
function connect (t: Test, url: string): string[] {
  const received: string[] = []
  const source = new EventSource(url)
  source.addEventListener('message', ({ data }) => { received.push(data) })
  for (const type of ['sse-ready', 'sse-gap', 'sse-reset']) source.addEventListener(type, () => { received.push(type) })
  t.teardown(() => { source.close() })
  return received
}

async function receives (t: Test, received: string[], ...expected: string[]): Promise<void> {
  await eventually(() => { if (received.length < expected.length) throw new Error(received.join()) })
  t.strictSame(received, expected)
}

suiteWith(t, 'redis-server', 'applications on one Redis', async (t, program) => {
  t.test('a client receives what another process publishes, and resumes at another process when its own has ended', async t => {
    const server = await RedisServer.start(t, program)
    const [one, other] = [await startApplication(t, server), await startApplication(t, server)]
    const received = connect(t, one.url)
    await receives(t, received, 'sse-ready')
    await other.publish('1')
    await receives(t, received, 'sse-ready', '1')
    await one.app.close()
    await other.publish('2')
    await startApplication(t, server, Number(new URL(one.url).port))
    await receives(t, received, 'sse-ready', '1', 'sse-ready', '2')
    await other.publish('3')
    await receives(t, received, 'sse-ready', '1', 'sse-ready', '2', '3')
  })

  t.test('a client stays connected while Redis is down, receives what it missed, and learns when Redis has lost its data', async t => {
    const server = await RedisServer.start(t, program, '--appendonly', 'yes', '--appendfsync', 'always')
    const { url, publish } = await startApplication(t, server)
    const received = connect(t, url)
    await receives(t, received, 'sse-ready')
    await publish('1')
    await server.kill()
    t.match(await publish('lost').catch(error => error), { statusCode: 503 })
    await server.start()
    await eventually(() => publish('2'))
    await receives(t, received, 'sse-ready', '1', '2')
    await server.command('FLUSHALL')
    await publish('3')
    await receives(t, received, 'sse-ready', '1', '2', 'sse-reset', '3')
  })
})

suiteWith(t, 'nginx', 'applications on one Redis behind nginx, configured as in docs/deploying.md', async (t, nginx) => {
  suiteWith(t, 'redis-server', 'restarts lose no client and no event', async (t, redis) => {
    await t.resolves(rollingRestart(t, 'nginx', { proxy: nginx, redis }))
  })
})
