import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { EventSource } from 'eventsource'
import t, { type Test } from 'tap'
import { redisBroker } from '../../plugin/redis/index.ts'
import { build } from '../fixtures/app.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { eventually, freePort, RedisServer } from '../fixtures/redis.ts'

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

suiteWith(t, 'nginx', 'applications on one Redis behind nginx, as the document sets it up', async (t, nginx) => {
  suiteWith(t, 'redis-server', 'when one is gone, its clients go on at the other', async (t, program) => {
    const server = await RedisServer.start(t, program)
    const nodes = [await node(t, server), await node(t, server)]
    const port = await freePort()
    const folder = t.testdir({})
    const [upstream, location] = ['docs/redis.md', 'README.md'].map(file => /^```nginx\n([^]*?)^```$/m.exec(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'))![1]!)
    const ports = nodes.map(({ url }) => new URL(url).port)
    writeFileSync(join(folder, 'nginx.conf'), `
      daemon off;
      pid ${join(folder, 'nginx.pid')};
      error_log /dev/null;
      events {}
      http {
        access_log off;
        ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${join(folder, name)};`).join('\n        ')}
        ${upstream!.replace('3001', ports[0]!).replace('3002', ports[1]!)}
        server {
          listen 127.0.0.1:${port};
          ${location!.replace('http://127.0.0.1:3000', 'http://nodes')}
        }
      }`)
    const proxy = spawn(nginx, ['-c', join(folder, 'nginx.conf'), '-p', folder], { stdio: 'ignore' })
    t.teardown(async () => {
      const ended = once(proxy, 'exit')
      proxy.kill()
      await ended
    })
    const url = `http://127.0.0.1:${port}`
    await eventually(async () => {
      const socket = net.connect(port, '127.0.0.1')
      await once(socket, 'connect')
      socket.destroy()
    })

    const clients = Array.from({ length: 4 }, () => client(t, url))
    for (const heard of clients) await hears(t, heard, 'sse-ready')
    t.strictSame(nodes.map(({ app }) => app.sse.size), [2, 2], 'connections are divided')
    await nodes[0]!.publish('1')
    for (const heard of clients) await hears(t, heard, 'sse-ready', '1')
    await nodes[0]!.app.close()
    await nodes[1]!.publish('2')
    await eventually(() => { if (nodes[1]!.app.sse.size < 4) throw new Error('Not all have come') })
    await nodes[1]!.publish('3')
    for (const heard of clients) await eventually(() => { if (heard.at(-1) !== '3') throw new Error(heard.join()) })
    for (const heard of clients) t.strictSame(heard.filter(text => text !== 'sse-ready'), ['1', '2', '3'])
  })
})
