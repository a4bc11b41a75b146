import { EventSource } from 'eventsource'
import t, { type Test } from 'tap'
import { redisBroker } from '../../plugin/redis/index.ts'
import { build } from '../fixtures/app.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { eventually, RedisServer } from '../fixtures/redis.ts'

/** An application on a Redis, whose clients follow the channel `news`. */
async function node (t: Test, server: RedisServer, port = 0) {
  const { app } = await build(t, { broker: redisBroker({ url: server.url, probe: 200, timeout: 2_000, onError: () => {} }), shutdownGrace: 0, retry: 10 })
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.subscribe(app.sse.channel('news'))
  })
  const url = await app.listen({ port, host: '127.0.0.1' })
  return { app, url, publish: (text: string) => app.sse.channel('news').publish(text) }
}

function client (t: Test, url: string): string[] {
  const heard: string[] = []
  const source = new EventSource(url)
  source.addEventListener('message', ({ data }) => { heard.push(data) })
  for (const type of ['sse-ready', 'sse-gap', 'sse-reset']) source.addEventListener(type, () => { heard.push(type) })
  t.teardown(() => { source.close() })
  return heard
}

async function hears (t: Test, heard: string[], ...expected: string[]): Promise<void> {
  await eventually(() => { if (heard.length < expected.length) throw new Error(heard.join()) })
  t.strictSame(heard, expected)
}

suiteWith(t, 'redis-server', 'applications on one Redis', async (t, program) => {
  t.test('a client hears what is published by another process, and goes on at another when its own is gone', async t => {
    const server = await RedisServer.start(t, program)
    const [one, other] = [await node(t, server), await node(t, server)]
    const heard = client(t, one.url)
    await hears(t, heard, 'sse-ready')
    await other.publish('1')
    await hears(t, heard, 'sse-ready', '1')
    await one.app.close()
    await other.publish('2')
    await node(t, server, Number(new URL(one.url).port))
    await hears(t, heard, 'sse-ready', '1', 'sse-ready', '2')
    await other.publish('3')
    await hears(t, heard, 'sse-ready', '1', 'sse-ready', '2', '3')
  })

  t.test('a client stays connected while Redis is away, gets what it has missed, and is told when Redis has lost what it had', async t => {
    const server = await RedisServer.start(t, program, '--appendonly', 'yes', '--appendfsync', 'always')
    const { url, publish } = await node(t, server)
    const heard = client(t, url)
    await hears(t, heard, 'sse-ready')
    await publish('1')
    await server.kill()
    t.match(await publish('lost').catch(error => error), { statusCode: 503 })
    await server.start()
    await eventually(() => publish('2'))
    await hears(t, heard, 'sse-ready', '1', '2')
    await server.command('FLUSHALL')
    await publish('3')
    await hears(t, heard, 'sse-ready', '1', '2', 'sse-reset', '3')
  })
})
