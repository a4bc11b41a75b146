import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import type { SseEmitter } from 'fastify-sse-emitter'
import { build, sleep } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { until } from '../fixtures/until.ts'

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')

async function freePort (): Promise<number> {
  const server = net.createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  return port
}

suiteWith(t, 'nginx', 'behind nginx, configured as in the README', async (t, nginx) => {
  const { app, listen } = await build(t, { heartbeat: 100 })
  const emitters: SseEmitter[] = []
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    emitters.push(emitter)
    await emitter.send('hello')
    return emitter
  })
  const { port: upstream } = await listen()
  const port = await freePort()
  const folder = t.testdir({})
  const [, location] = /^```nginx\n([^]*?)^```$/m.exec(README)!
  writeFileSync(join(folder, 'nginx.conf'), `
    daemon off;
    pid ${join(folder, 'nginx.pid')};
    error_log stderr;
    events {}
    http {
      access_log off;
      ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${join(folder, name)};`).join('\n      ')}
      gzip on;
      gzip_types *;
      server {
        listen 127.0.0.1:${port};
        ${location!.replace('127.0.0.1:3000', `127.0.0.1:${upstream}`)}
      }
    }`)
  const proxy = spawn(nginx, ['-c', join(folder, 'nginx.conf'), '-p', folder])
  let errors = ''
  proxy.stderr.setEncoding('utf8').on('data', chunk => { errors += chunk })
  t.teardown(async () => {
    const ended = once(proxy, 'exit')
    proxy.kill()
    await ended
  })
  const url = `http://127.0.0.1:${port}/`
  let attempt = call(url)
  while (await attempt.response.then(() => false, () => true)) {
    if (proxy.exitCode !== null) throw new Error(errors)
    await sleep(20)
    attempt = call(url)
  }

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
