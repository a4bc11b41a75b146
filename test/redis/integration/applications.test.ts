import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { EventSource } from 'eventsource'
import t, { type Test } from 'tap'
import { redisBroker } from '../../../plugin/redis/index.ts'
import { build } from '../../fixtures/app.ts'
import { eventually } from '../../fixtures/eventually.ts'
import { suiteWith } from '../../fixtures/programs.ts'
import { freePort, RedisServer } from '../../fixtures/redis-server.ts'

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

/** A configuration of nginx made from the examples in the documentation. */
function nginxConfiguration (folder: string, port: number, ports: string[]): string {
  const [upstream, location] = ['docs/redis.md', 'README.md'].map(file => /^```nginx\n([^]*?)^```$/m.exec(readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8'))![1]!)
  return `
    daemon off;
    pid ${join(folder, 'nginx.pid')};
    error_log /dev/null;
    events {}
    http {
      access_log off;
      ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${join(folder, name)};`).join('\n      ')}
      ${upstream!.replace('3001', ports[0]!).replace('3002', ports[1]!)}
      server {
        listen 127.0.0.1:${port};
        ${location!.replace('http://127.0.0.1:3000', 'http://nodes')}
      }
    }`
}

async function startNginx (t: Test, nginx: string, ports: string[]): Promise<string> {
  const port = await freePort()
  const folder = t.testdir({})
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, nginxConfiguration(folder, port, ports))
  const proxy = spawn(nginx, ['-c', file, '-p', folder], { stdio: 'ignore' })
  t.teardown(async () => {
    const ended = once(proxy, 'exit')
    proxy.kill()
    await ended
  })
  await eventually(async () => {
    const socket = net.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.destroy()
  })
  return `http://127.0.0.1:${port}`
}

suiteWith(t, 'nginx', 'applications on one Redis behind nginx, configured as documented', async (t, nginx) => {
  suiteWith(t, 'redis-server', 'when an application closes, its clients continue at the other', async (t, program) => {
    const server = await RedisServer.start(t, program)
    const [one, other] = [await startApplication(t, server), await startApplication(t, server)]
    const url = await startNginx(t, nginx, [one, other].map(({ url }) => new URL(url).port))
    const clients = Array.from({ length: 4 }, () => connect(t, url))
    for (const received of clients) await receives(t, received, 'sse-ready')
    t.strictSame([one, other].map(({ app }) => app.sse.size), [2, 2], 'connections are balanced')
    await one.publish('1')
    for (const received of clients) await receives(t, received, 'sse-ready', '1')
    await one.app.close()
    await other.publish('2')
    await eventually(() => { assert.equal(other.app.sse.size, 4) })
    await other.publish('3')
    for (const received of clients) await eventually(() => { assert.equal(received.at(-1), '3') })
    for (const received of clients) t.strictSame(received.filter(text => text !== 'sse-ready'), ['1', '2', '3'])
  })
})
