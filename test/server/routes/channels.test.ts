import { once } from 'node:events'
import type { EventSourceMessage } from 'eventsource-parser'
import type { FastifyInstance, InjectOptions } from 'fastify'
import t, { type Test } from 'tap'
import { buildApp } from '../../../server/app.ts'
import { readConfig } from '../../../server/config.ts'
import { channels } from '../../../server/routes/channels.ts'
import { build, sleep } from '../../fixtures/app.ts'
import { call, decode } from '../../fixtures/client.ts'

const MINUTE = 60_000

async function demo (t: Test, env: NodeJS.ProcessEnv = {}): Promise<FastifyInstance> {
  const app = await buildApp(readConfig(env))
  t.teardown(() => app.close())
  return app
}

async function listen (app: FastifyInstance): Promise<URL> {
  return new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
}

interface Published { status: number, headers: Record<string, unknown>, body: { id: string, code: string, message: string } }

async function publish (app: FastifyInstance, name: string, payload: unknown, headers: InjectOptions['headers'] = {}): Promise<Published> {
  const response = await app.inject({ method: 'POST', url: `/channels/${name}`, payload: payload as object, headers })
  return { status: response.statusCode, headers: response.headers, body: response.json() }
}

interface Subscriber {
  /** Waits for `count` events, including the first one, `sse-ready`. */
  read: (count: number) => Promise<EventSourceMessage[]>
  disconnect: () => void
}

/** Subscribes over a real socket. */
async function subscribe (t: Test, url: URL, path: string, headers: Record<string, string> = {}): Promise<Subscriber> {
  const { request, response } = call(new URL(`/channels/${path}`, url), { headers })
  t.teardown(() => request.destroy())
  const message = (await response).setEncoding('utf8').on('error', () => {})
  const chunks: string[] = []
  message.on('data', chunk => { chunks.push(chunk) })
  const read: Subscriber['read'] = async count => {
    for (;;) {
      const { events } = decode(...chunks)
      if (events.length >= count) return events
      await once(message, 'data')
    }
  }
  // Events published from here on are received.
  await read(1)
  return { read, disconnect: () => request.destroy() }
}

const contentOf = (events: EventSourceMessage[]): Array<[string | undefined, string]> => events.map(({ event, data }) => [event, data])
const ready: [string, string] = ['sse-ready', '{}']

t.test('all subscribers receive a published event with the id that the publisher got', async t => {
  const app = await demo(t)
  const url = await listen(app)
  const subscribers = [await subscribe(t, url, 'news'), await subscribe(t, url, 'news')]
  const other = await subscribe(t, url, 'other')
  t.strictSame(app.sse.channels(), [{ name: 'demo:news', subscribers: 2 }, { name: 'demo:other', subscribers: 1 }])
  const payloads = [{ data: 'a\nb' }, { data: { n: 1 }, event: 'count' }, { data: null }, { data: 0 }, { data: '' }]
  const ids: string[] = []
  for (const payload of payloads) {
    const { status, body } = await publish(app, 'news', payload)
    t.equal(status, 201)
    t.strictSame(Object.keys(body), ['id'])
    ids.push(body.id)
  }
  await publish(app, 'other', { data: 'for the other channel' })
  for (const subscriber of subscribers) {
    const events = await subscriber.read(6)
    t.strictSame(contentOf(events), [ready, [undefined, 'a\nb'], ['count', '{"n":1}'], [undefined, 'null'], [undefined, '0'], [undefined, '']])
    t.strictSame(events.slice(1).map(({ id }) => id), ids)
  }
  t.strictSame(contentOf(await other.read(2)), [ready, [undefined, 'for the other channel']])
})

t.test('a client that reconnects receives what it missed', async t => {
  const app = await demo(t)
  const url = await listen(app)
  const first = await subscribe(t, url, 'news')
  await publish(app, 'news', { data: 'one' })
  const { id } = (await first.read(2))[1]!
  first.disconnect()
  await publish(app, 'news', { data: 'two' })
  await publish(app, 'news', { data: 'three' })
  const missed = [ready, [undefined, 'two'], [undefined, 'three']]
  const second = await subscribe(t, url, 'news', { 'last-event-id': id! })
  t.strictSame(contentOf(await second.read(3)), missed)
  const third = await subscribe(t, url, `news?lastEventId=${id}&from=start`)
  t.strictSame(contentOf(await third.read(3)), missed, 'lastEventId takes precedence over from')
  await publish(app, 'news', { data: 'four' })
  for (const subscriber of [second, third]) t.strictSame(contentOf(await subscriber.read(4)), [...missed, [undefined, 'four']])
  const unknown = await subscribe(t, url, 'news', { 'last-event-id': 'of-another-log.1-0' })
  t.strictSame(contentOf(await unknown.read(1))[0], ['sse-reset', '{}'])
})

t.test('a new client receives events from now on, or the whole history with from=start', async t => {
  const app = await demo(t)
  const url = await listen(app)
  await publish(app, 'news', { data: 'old' })
  const [now, alsoNow, start] = [await subscribe(t, url, 'news'), await subscribe(t, url, 'news?from=now'), await subscribe(t, url, 'news?from=start')]
  await publish(app, 'news', { data: 'new' })
  for (const subscriber of [now, alsoNow]) t.strictSame(contentOf(await subscriber.read(2)), [ready, [undefined, 'new']])
  t.strictSame(contentOf(await start.read(3)), [ready, [undefined, 'old'], [undefined, 'new']])
})

t.test('a channel keeps 1000 events', async t => {
  const app = await demo(t)
  const url = await listen(app)
  for (let number = 1; number <= 1_001; number++) await publish(app, 'news', { data: number })
  const subscriber = await subscribe(t, url, 'news?from=start')
  const events = (await subscriber.read(1_001)).slice(1)
  t.strictSame(events.map(({ data }) => Number(data)), Array.from({ length: 1_000 }, (_, index) => index + 2))
})

t.test('a repeated Idempotency-Key is answered with 200 and the same id, and publishes nothing', async t => {
  const app = await demo(t)
  const url = await listen(app)
  const subscriber = await subscribe(t, url, 'news')
  const headers = { 'idempotency-key': '~ a key !' }
  const first = await publish(app, 'news', { data: { a: 1 }, event: 'x' }, headers)
  t.equal(first.status, 201)
  t.match(await publish(app, 'news', { data: { a: 1 }, event: 'x' }, headers), { status: 200, body: { id: first.body.id } })
  for (const other of [{ data: { a: 2 }, event: 'x' }, { data: { a: 1 } }]) {
    t.match(await publish(app, 'news', other, headers), { status: 422, body: { code: 'SSE_ERR_IDEMPOTENCY_KEY', message: String } })
  }
  t.equal((await publish(app, 'other', { data: 'x' }, headers)).status, 201, 'keys of different channels are independent')
  t.equal((await publish(app, 'news', { data: 'end' }, { 'idempotency-key': 'k'.repeat(255) })).status, 201)
  t.strictSame(contentOf(await subscriber.read(3)), [ready, ['x', '{"a":1}'], [undefined, 'end']])
})

t.test('an invalid request is answered with 400 and publishes nothing', async t => {
  const app = await demo(t)
  const url = await listen(app)
  const subscriber = await subscribe(t, url, 'news')
  const data = 'x'
  const rows: Array<[problem: string, response: Published]> = [
    ['missing data', await publish(app, 'news', {})],
    ['a body that is not an object', await publish(app, 'news', ['x'])],
    ['an unknown field', await publish(app, 'news', { data, id: '7' })],
    ['an empty type', await publish(app, 'news', { data, event: '' })],
    ['a long type', await publish(app, 'news', { data, event: 'x'.repeat(101) })],
    ['a type that is a number', await publish(app, 'news', { data, event: 5 })],
    ['a type that is null', await publish(app, 'news', { data, event: null })],
    ['a reserved type', await publish(app, 'news', { data, event: 'sse-x' })],
    ['a type of two lines', await publish(app, 'news', { data, event: 'a\nb' })],
    ['a reserved type with a key', await publish(app, 'news', { data, event: 'sse-x' }, { 'idempotency-key': 'k' })],
    ['an empty key', await publish(app, 'news', { data }, { 'idempotency-key': '' })],
    ['a long key', await publish(app, 'news', { data }, { 'idempotency-key': 'k'.repeat(256) })],
    ['a key that is not ASCII', await publish(app, 'news', { data }, { 'idempotency-key': 'schlüssel' })],
    ['invalid JSON', await publish(app, 'news', '{', { 'content-type': 'application/json' })],
    ['an upper-case name', await publish(app, 'News', { data })],
    ['a long name', await publish(app, 'x'.repeat(65), { data })],
    ['a very long name', await publish(app, 'x'.repeat(10_000), { data })],
    ['an empty name', await publish(app, '', { data })],
    ['a name with a line break', await publish(app, 'news%0A', { data })]
  ]
  for (const [problem, { status, body }] of rows) {
    t.equal(status, 400, problem)
    t.match(body, { code: /^(FST|SSE)_ERR_/, message: String }, problem)
  }
  t.equal((await publish(app, 'x'.repeat(64), { data, event: 'x'.repeat(100) })).status, 201)
  await publish(app, 'news', { data: 'end' })
  t.strictSame(contentOf(await subscriber.read(2)), [ready, [undefined, 'end']])
  for (const path of ['News', 'x'.repeat(65), 'news?from=middle', 'news?from=now&from=start', 'news?from=', `news?lastEventId=${'x'.repeat(1_025)}`]) {
    const response = await app.inject(`/channels/${path}`)
    t.equal(response.statusCode, 400, path)
    t.match(response.json(), { code: String, message: String })
  }
})

t.test('data that the serializer rejects is answered with 400', async t => {
  const { app } = await build(t, { serializer: () => { throw new Error('too deep') } })
  app.register(channels, { token: '' })
  t.match(await publish(app, 'news', { data: [] }), { status: 400, body: { code: 'SSE_ERR_SERIALIZE', message: 'Event data could not be serialized' } })
})

t.test('a body may have at most 64 KiB', async t => {
  const app = await demo(t)
  const payload = (length: number): object => ({ data: 'x'.repeat(length - JSON.stringify({ data: '' }).length) })
  t.equal((await publish(app, 'news', payload(65_536))).status, 201)
  t.match(await publish(app, 'news', payload(65_537)), { status: 413, body: { code: 'FST_ERR_CTP_BODY_TOO_LARGE', message: String } })
})

t.test('with PUBLISH_TOKEN, publishing requires the token and subscribing does not', async t => {
  const app = await demo(t, { PUBLISH_TOKEN: 'p@ss!word' })
  const url = await listen(app)
  const subscriber = await subscribe(t, url, 'news')
  t.equal((await publish(app, 'news', { data: 'x' })).status, 401)
  t.equal((await publish(app, 'News', {})).status, 401, 'the token is checked before the request')
  t.equal((await publish(app, 'news', { data: 'y' }, { authorization: 'Bearer p@ss!word' })).status, 201)
  t.strictSame(contentOf(await subscriber.read(2)), [ready, [undefined, 'y']])
})

/** An app that allows two channel names. */
async function setupLimited (t: Test): Promise<{ app: FastifyInstance, url: URL }> {
  const { app, listen } = await build(t)
  app.register(channels, { token: '', limit: 2 })
  return { app, url: await listen() }
}

t.test('at the limit of names, a new name is refused with 503 and names in use are not', async t => {
  const { app, url } = await setupLimited(t)
  const subscriber = await subscribe(t, url, 'subscribed')
  await publish(app, 'published', { data: 'x' })
  const following = await call(new URL('/channels/more', url)).readAll()
  const publishing = await publish(app, 'more', { data: 'x' })
  for (const { status, headers, body } of [{ ...following, body: JSON.parse(following.body) }, publishing]) {
    t.equal(status, 503)
    t.match(body, { code: 'TOO_MANY_CHANNELS', message: 'All 2 channels are in use; try again later' })
    t.equal(headers['retry-after'], '60')
  }
  t.equal(app.sse.size, 1)
  t.equal((await publish(app, 'subscribed', { data: 'y' })).status, 201)
  t.strictSame(contentOf(await subscriber.read(2)), [ready, [undefined, 'y']])
  t.strictSame(contentOf(await (await subscribe(t, url, 'published?from=start')).read(2)), [ready, [undefined, 'x']])
})

t.test('a name is free when its last subscriber has disconnected', async t => {
  const { app, url } = await setupLimited(t)
  const subscribers = [await subscribe(t, url, 'a'), await subscribe(t, url, 'a'), await subscribe(t, url, 'b')]
  const disconnect = async (subscriber: Subscriber, size: number): Promise<void> => {
    subscriber.disconnect()
    while (app.sse.size > size) await sleep(5)
  }
  await disconnect(subscribers[0]!, 2)
  t.equal((await publish(app, 'c', { data: 'x' })).status, 503)
  await disconnect(subscribers[1]!, 1)
  t.equal((await publish(app, 'c', { data: 'x' })).status, 201)
})

t.test('a refused request does not keep a name in use', async t => {
  const { app, url } = await setupLimited(t)
  for (const name of ['a', 'b', 'c']) {
    t.equal((await publish(app, name, { data: 'x', event: 'sse-x' })).status, 400)
    t.equal((await app.inject({ url: `/channels/${name}`, headers: { accept: 'text/html' } })).statusCode, 406)
    t.equal((await app.inject({ url: `/channels/${name}`, headers: { 'last-event-id': 'x'.repeat(1_025) } })).statusCode, 400)
    const head = await app.inject({ method: 'HEAD', url: `/channels/${name}` })
    t.equal(head.statusCode, 200)
    t.equal(head.headers['content-type'], 'text/event-stream; charset=utf-8')
    t.equal(head.body, '')
  }
  t.equal(app.sse.size, 0)
  await subscribe(t, url, 'd')
})

t.test('events are kept for ten minutes, and so is the name of their channel', async t => {
  const { app, url } = await setupLimited(t)
  const { now } = performance
  let passed = 0
  t.intercept(performance, 'now', { value: () => now.call(performance) + passed })
  t.equal((await publish(app, 'a', { data: 'x' }, { 'idempotency-key': 'k' })).status, 201)
  await publish(app, 'b', { data: 'y' })
  passed += 9 * MINUTE
  t.equal((await publish(app, 'c', { data: 'z' })).status, 503)
  t.equal((await publish(app, 'a', { data: 'x' }, { 'idempotency-key': 'k' })).status, 200, 'the key of an event published nine minutes ago is remembered')
  await publish(app, 'b', { data: 'y2' })
  passed += 2 * MINUTE
  t.strictSame(contentOf(await (await subscribe(t, url, 'b?from=start')).read(2)).at(-1), [undefined, 'y2'])
  t.equal((await publish(app, 'c', { data: 'z' })).status, 201, 'the name of a is free')
  t.equal((await publish(app, 'a', { data: 'x' })).status, 503)
})

t.test('pages of other origins may subscribe and publish only if CORS_ORIGIN allows them', async t => {
  const app = await demo(t, { CORS_ORIGIN: 'https://a.example' })
  t.match(await publish(app, 'news', { data: 'x' }, { origin: 'https://b.example' }), { status: 403, body: { code: 'FOREIGN_ORIGIN' } })
  t.equal((await app.inject({ url: '/channels/news', headers: { origin: 'https://b.example' } })).statusCode, 403)
  const headers = { origin: 'https://a.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type,idempotency-key,authorization' }
  const preflight = await app.inject({ method: 'OPTIONS', url: '/channels/news', headers })
  t.equal(preflight.statusCode, 204)
  t.match(preflight.headers, { 'access-control-allow-origin': 'https://a.example', 'access-control-allow-methods': /POST/, 'access-control-allow-headers': headers['access-control-request-headers'] })
  t.equal((await publish(app, 'news', { data: 'x' }, { origin: 'https://a.example' })).status, 201)
})
