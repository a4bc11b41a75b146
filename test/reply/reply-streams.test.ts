import { EventEmitter } from 'node:events'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply } from 'fastify'
import t from 'tap'
import { TimerWheel } from '../../plugin/base/timer-wheel.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { FanOut } from '../../plugin/channels/fan-out.ts'
import { resolvePluginOptions } from '../../plugin/hub-options.ts'
import { wrapHandler } from '../../plugin/reply/handler.ts'
import { ReplyStreams } from '../../plugin/reply/reply-streams.ts'
import { detailed } from '../fixtures/detailed.ts'
import { build, WARN } from '../fixtures/app.ts'
import { connectionKey, endless, open } from '../fixtures/open-streams.ts'
import { call, decode } from '../fixtures/client.ts'

t.test('a stream over maxConnections is refused with 503 until another one closes', async t => {
  const { app, listen } = await build(t, { maxConnections: 2 })
  const emitters = endless(app)
  const url = await listen()
  const first = await open(url)
  await open(url)
  const refused = await call(url).readAll()
  t.equal(refused.status, 503)
  t.match(JSON.parse(refused.body), { code: 'SSE_ERR_FULL' })
  t.ok(Number(refused.headers['retry-after']) >= 1)
  first.request.destroy()
  await emitters[0]!.closed
  t.equal((await call(url).response).statusCode, 200)
})

t.test('a stream over maxConnectionsPerKey is refused with 429, and other keys are accepted', async t => {
  const { app, listen } = await build(t, { connectionKey, maxConnectionsPerKey: 2 })
  const emitters = endless(app)
  const url = await listen()
  const first = await open(url, 'anna')
  await open(url, 'anna')
  const refused = await call(url, { headers: { user: 'anna' } }).readAll()
  t.equal(refused.status, 429)
  t.match(JSON.parse(refused.body), { code: 'SSE_ERR_FULL_FOR_KEY' })
  t.ok(Number(refused.headers['retry-after']) >= 1)
  for (const user of ['ben', undefined, undefined, undefined]) await open(url, user)
  t.equal(app.sse.size, 6, 'streams without a key count toward none')
  first.request.destroy()
  await emitters[0]!.closed
  await open(url, 'anna')
  t.equal((await call(url, { headers: { user: 'anna' } }).readAll()).status, 429)
})

t.test('a closed stream makes room for another of its key', async t => {
  const { app, listen } = await build(t, { connectionKey, maxConnectionsPerKey: 1 })
  const emitters = endless(app)
  const url = await listen()
  for (let count = 0; count < 5; count++) {
    const { request } = await open(url, 'anna')
    request.destroy()
    await emitters.at(-1)!.closed
  }
  t.equal((await call(url, { headers: { user: 'anna' } }).response).statusCode, 200)
})
t.test("with refuse: 'retry', a refused browser is asked to reconnect later", async t => {
  const { app, logs, listen } = await build(t, { maxConnections: 1, refuse: 'retry', retry: 4_000 })
  endless(app)
  app.get('/sync', (_request, reply) => reply.sse())
  app.get('/other', async () => { throw new Error('another error') })
  const url = await listen()
  await open(url)
  for (const path of ['/', '/sync']) {
    const { status, headers, body } = await call(new URL(path, url)).readAll()
    t.equal(status, 200)
    t.equal(headers['content-type'], 'text/event-stream; charset=utf-8')
    t.equal(headers['cache-control'], 'no-cache, no-transform')
    const { retries, events } = decode(body)
    t.strictSame(events, [])
    t.ok(retries[0]! >= 2_000 && retries[0]! <= 6_000, `${retries[0]} ms`)
  }
  t.equal((await call(new URL('/other', url)).readAll()).status, 500)
  t.equal(logs.filter(({ level }) => level >= 40).length, 1)
})

t.test('a connectionKey that returns a promise or no string is refused and takes no place', async t => {
  const rows: Array<[connectionKey: () => unknown, received: string]> = [
    [async () => 'me', 'a promise'], [async () => { throw new Error('lost') }, 'a promise'], [() => 7, '7'], [() => null, 'null'], [() => ({ id: 'me' }), 'an object']
  ]
  for (const [connectionKey, received] of rows) {
    const { app, logs } = await build(t, { connectionKey: connectionKey as () => string, maxConnectionsPerKey: 1 })
    app.get('/', async (_request, reply) => reply.sse())
    t.match((await app.inject('/')).json(), { statusCode: 500, code: 'SSE_ERR_CALLBACK', message: 'An internal error occurred' })
    t.match(logs.filter(({ level }) => level >= WARN), [{ err: detailed(`The callback \`connectionKey\` must return a string or undefined; it returned ${received}`) }])
    t.equal(app.sse.size, 0)
  }
})

t.test('connectionKey that throws is an error response and takes no place', async t => {
  const { app } = await build(t, { connectionKey: () => { throw new Error('no key') } })
  endless(app)
  t.match((await app.inject('/')).json(), { statusCode: 500, message: 'no key' })
  t.equal(app.sse.size, 0)
})

t.test('after a million streams every place is free again', { timeout: 120_000 }, async t => {
  // Fakes of what a stream uses of Fastify and Node.js before it opens.
  const log = { info () {}, warn () {}, error () {} } as unknown as FastifyBaseLogger
  const settings = resolvePluginOptions({ heartbeat: 0, maxConnections: 3, connectionKey: ({ id }) => id, maxConnectionsPerKey: 2 })
  const streamsOfApp = new ReplyStreams(settings, { wheel: new TimerWheel(), fanOut: new FanOut(memoryBroker()) })
  const raw = (): EventEmitter => Object.assign(new EventEmitter(), { socket: {}, req: { socket: {} }, destroyed: false, writableEnded: false })
  const reply = (id: string): FastifyReply => ({
    request: { id, headers: {}, raw: { headers: {}, url: '/' } }, raw: raw(), log, sent: false, hijack () {}, statusCode: 200, routeOptions: {}
  }) as unknown as FastifyReply
  const handler = wrapHandler((_request, reply) => { streamsOfApp.open(reply, undefined) }, { respondIfRefused: () => false, respondIfEnded: () => false })
  const open = (id: string): FastifyReply => {
    const made = reply(id)
    handler.call(undefined as unknown as FastifyInstance, made.request, made)
    return made
  }
  let refused = 0
  const streams: FastifyReply[] = []
  for (let count = 0; count < 1_000_000; count++) {
    try {
      streams.push(open(count % 3 === 0 ? 'anna' : 'ben'))
    } catch {
      refused++
    }
    if (streams.length > 2 || count % 2 === 0) streams.splice(count % streams.length, 1)[0]?.raw.emit('close')
  }
  for (const { raw } of streams) raw.emit('close')
  t.ok(refused > 1_000, `${refused} refused`)
  t.equal(streamsOfApp.size, 0)
  for (const id of ['anna', 'anna', 'ben']) open(id)
  t.throws(() => open('carl'), { code: 'SSE_ERR_FULL' })
  t.equal(streamsOfApp.size, 3)
})
