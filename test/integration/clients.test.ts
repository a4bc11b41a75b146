import { execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import { EventSource } from 'eventsource'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { SseEmitter } from 'fastify-sse-emitter'
import { build, sleep } from '../fixtures/app.ts'
import { suiteWith } from '../fixtures/programs.ts'

function addRoute (app: FastifyInstance): SseEmitter[] {
  const emitters: SseEmitter[] = []
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse({ retry: 20 })
    emitters.push(emitter)
    await emitter.send({ text: 'größer 😀' }, { event: 'delta', id: `${emitter.lastEventId ?? ''}+` })
    return emitter
  })
  return emitters
}

t.test('an EventSource reconnects with the id of the last event', async t => {
  const { app, listen } = await build(t)
  const emitters = addRoute(app)
  const source = new EventSource(await listen())
  t.teardown(() => source.close())
  const deltas: Array<[data: string, id: string]> = []
  source.addEventListener('delta', ({ data, lastEventId }) => { deltas.push([data, lastEventId]) })
  for (let connection = 1; connection <= 3; connection++) {
    while (deltas.length < connection) await sleep(5)
    if (connection < 3) emitters.at(-1)!.complete()
  }
  const data = '{"text":"größer 😀"}'
  t.strictSame(deltas, [[data, '+'], [data, '++'], [data, '+++']])
  source.close()
  t.equal(await emitters.at(-1)!.closed, 'client')
})

t.test('an EventSource does not reconnect after 204', async t => {
  const { app, listen } = await build(t)
  let requests = 0
  app.get('/', async (_request, reply) => {
    if (++requests > 1) reply.code(204)
    const emitter = reply.sse({ retry: 10 })
    emitter.complete()
    return emitter
  })
  const source = new EventSource(await listen())
  t.teardown(() => source.close())
  while (source.readyState !== EventSource.CLOSED) await sleep(5)
  await sleep(50)
  t.equal(requests, 2)
})

suiteWith(t, 'curl', 'curl', async (t, curlPath) => {
  t.test('prints every event as it is sent', async t => {
    const { app, listen } = await build(t)
    const emitters = addRoute(app)
    const curl = spawn(curlPath, ['-sN', String(await listen())])
    t.teardown(() => curl.kill())
    let text = ''
    curl.stdout.setEncoding('utf8').on('data', chunk => { text += chunk })
    const first = 'retry:20\nid:+\nevent:delta\ndata:{"text":"größer 😀"}\n\n'
    while (text.length < first.length) await sleep(5)
    t.equal(text, first)
    await emitters[0]!.send('more')
    while (text.length < first.length + 11) await sleep(5)
    t.equal(text, `${first}data:more\n\n`)
    curl.kill()
    t.equal(await emitters[0]!.closed, 'client')
  })

  t.test('reports no error at the end of a failed stream', async t => {
    const { app, listen } = await build(t)
    app.get('/', async (_request, reply) => {
      const emitter = reply.sse()
      await emitter.send('a')
      emitter.completeWithError(new Error('boom'))
      return emitter
    })
    const { stdout } = await promisify(execFile)(curlPath, ['-sS', '--fail', String(await listen())])
    t.equal(stdout, 'data:a\n\nevent:sse-error\ndata:{"code":"INTERNAL_ERROR","message":"An internal error occurred","retryable":false}\n\n')
  })
})
