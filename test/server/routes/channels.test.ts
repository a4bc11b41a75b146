import type { FastifyInstance, InjectOptions } from 'fastify'
import t, { type Test } from 'tap'
import { injectSse, type InjectedEvent, type InjectedStream } from 'fastify-sse-emitter/testing'
import { channels } from '../../../server/routes/channels.ts'
import { build } from '../../fixtures/app.ts'
import { buildDemo } from '../../fixtures/demo.ts'

const MINUTE = 60_000

interface Published { status: number, body: { id: string, code: string, message: string } }

async function publish (app: FastifyInstance, name: string, payload: unknown, headers: InjectOptions['headers'] = {}): Promise<Published> {
  const response = await app.inject({ method: 'POST', url: `/channels/${name}`, payload: payload as object, headers })
  return { status: response.statusCode, body: response.json() }
}

/** Subscribes, so that events published from here on are received. */
async function subscribe (t: Test, app: FastifyInstance, path: string, headers: Record<string, string> = {}): Promise<InjectedStream> {
  const stream = await injectSse(app, { url: `/channels/${path}`, headers })
  t.strictSame(contentOf(await stream.take(1)), [['sse-ready', '{}']])
  return stream
}

const contentOf = (events: InjectedEvent[]): string[][] => events.map(({ event, data }) => [event, data])

t.test('all subscribers receive a published event with the id that the publisher got', async t => {
  const app = await buildDemo(t, {})
  const subscribers = [await subscribe(t, app, 'news'), await subscribe(t, app, 'news')]
  const other = await subscribe(t, app, 'other')
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
    const events = await subscriber.take(5)
    t.strictSame(contentOf(events), [['message', 'a\nb'], ['count', '{"n":1}'], ['message', 'null'], ['message', '0'], ['message', '']])
    t.strictSame(events.map(({ id }) => id), ids)
  }
  t.strictSame(contentOf(await other.take(1)), [['message', 'for the other channel']])
})

t.test('a client that reconnects receives what it missed', async t => {
  const app = await buildDemo(t, {})
  const first = await subscribe(t, app, 'news')
  await publish(app, 'news', { data: 'one' })
  const [{ id }] = await first.take(1) as [InjectedEvent]
  await first.leave()
  await publish(app, 'news', { data: 'two' })
  await publish(app, 'news', { data: 'three' })
  const missed = [['sse-ready', '{}'], ['message', 'two'], ['message', 'three']]
  const second = await first.comeBack()
  t.strictSame(contentOf(await second.take(3)), missed)
  const third = await injectSse(app, { url: `/channels/news?lastEventId=${id}&from=start` })
  t.strictSame(contentOf(await third.take(3)), missed, 'lastEventId takes precedence over from')
  await publish(app, 'news', { data: 'four' })
  for (const subscriber of [second, third]) t.match(await subscriber.next(), { data: 'four' })
  const unknown = await injectSse(app, { url: '/channels/news', lastEventId: 'of-another-log.1-0' })
  t.match(await unknown.next(), { event: 'sse-reset', data: '{}' })
})

t.test('a new client receives events from now on, or the whole history with from=start', async t => {
  const app = await buildDemo(t, {})
  await publish(app, 'news', { data: 'old' })
  const [now, alsoNow, start] = [await subscribe(t, app, 'news'), await subscribe(t, app, 'news?from=now'), await subscribe(t, app, 'news?from=start')]
  await publish(app, 'news', { data: 'new' })
  for (const subscriber of [now, alsoNow]) t.strictSame(contentOf(await subscriber.take(1)), [['message', 'new']])
  t.strictSame(contentOf(await start.take(2)), [['message', 'old'], ['message', 'new']])
})

t.test('a channel keeps 1000 events', async t => {
  const app = await buildDemo(t, {})
  for (let number = 1; number <= 1_001; number++) await publish(app, 'news', { data: number })
  const subscriber = await subscribe(t, app, 'news?from=start')
  const events = await subscriber.take(1_000)
  t.strictSame(events.map(({ data }) => Number(data)), Array.from({ length: 1_000 }, (_, index) => index + 2))
})

t.test('a repeated Idempotency-Key is answered with 200 and the same id, and publishes nothing', async t => {
  const app = await buildDemo(t, {})
  const subscriber = await subscribe(t, app, 'news')
  const headers = { 'idempotency-key': '~ a key !' }
  const first = await publish(app, 'news', { data: { a: 1 }, event: 'x' }, headers)
  t.equal(first.status, 201)
  t.match(await publish(app, 'news', { data: { a: 1 }, event: 'x' }, headers), { status: 200, body: { id: first.body.id } })
  for (const other of [{ data: { a: 2 }, event: 'x' }, { data: { a: 1 } }]) {
    t.match(await publish(app, 'news', other, headers), { status: 422, body: { code: 'SSE_ERR_IDEMPOTENCY_KEY', message: String } })
  }
  t.equal((await publish(app, 'other', { data: 'x' }, headers)).status, 201, 'keys of different channels are independent')
  t.equal((await publish(app, 'news', { data: 'end' }, { 'idempotency-key': 'k'.repeat(255) })).status, 201)
  t.strictSame(contentOf(await subscriber.take(2)), [['x', '{"a":1}'], ['message', 'end']])
})

t.test('an invalid request is answered with 400 and publishes nothing', async t => {
  const app = await buildDemo(t, {})
  const subscriber = await subscribe(t, app, 'news')
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
  t.strictSame(contentOf(await subscriber.take(1)), [['message', 'end']])
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
  const app = await buildDemo(t, {})
  const payload = (length: number): object => ({ data: 'x'.repeat(length - JSON.stringify({ data: '' }).length) })
  t.equal((await publish(app, 'news', payload(65_536))).status, 201)
  t.match(await publish(app, 'news', payload(65_537)), { status: 413, body: { code: 'FST_ERR_CTP_BODY_TOO_LARGE', message: String } })
})

t.test('with PUBLISH_TOKEN, publishing requires the token and subscribing does not', async t => {
  const app = await buildDemo(t, { PUBLISH_TOKEN: 'p@ss!word' })
  const subscriber = await subscribe(t, app, 'news')
  t.equal((await publish(app, 'news', { data: 'x' })).status, 401)
  t.equal((await publish(app, 'News', {})).status, 401, 'the token is checked before the request')
  t.equal((await publish(app, 'news', { data: 'y' }, { authorization: 'Bearer p@ss!word' })).status, 201)
  t.strictSame(contentOf(await subscriber.take(1)), [['message', 'y']])
})

/** An app that allows two channel names. */
async function setupLimited (t: Test): Promise<FastifyInstance> {
  const { app } = await build(t)
  await app.register(channels, { token: '', limit: 2 })
  return app
}

t.test('at the limit of names, a new name is refused with 503 and names in use are not', async t => {
  const app = await setupLimited(t)
  const subscriber = await subscribe(t, app, 'subscribed')
  await publish(app, 'published', { data: 'x' })
  for (const method of ['GET', 'POST'] as const) {
    const response = await app.inject({ method, url: '/channels/more', ...method === 'POST' && { payload: { data: 'x' } } })
    t.equal(response.statusCode, 503)
    t.match(response.json(), { code: 'TOO_MANY_CHANNELS', message: 'All 2 channels are in use; try again later' })
    t.equal(response.headers['retry-after'], '60')
  }
  t.equal(app.sse.size, 1)
  t.equal((await publish(app, 'subscribed', { data: 'y' })).status, 201)
  t.strictSame(contentOf(await subscriber.take(1)), [['message', 'y']])
  t.strictSame(contentOf(await (await subscribe(t, app, 'published?from=start')).take(1)), [['message', 'x']])
})

t.test('a name is free when its last subscriber has disconnected', async t => {
  const app = await setupLimited(t)
  const subscribers = [await subscribe(t, app, 'a'), await subscribe(t, app, 'a'), await subscribe(t, app, 'b')]
  await subscribers[0]!.leave()
  t.equal((await publish(app, 'c', { data: 'x' })).status, 503)
  await subscribers[1]!.leave()
  t.equal((await publish(app, 'c', { data: 'x' })).status, 201)
})

t.test('a refused request does not keep a name in use', async t => {
  const app = await setupLimited(t)
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
  await subscribe(t, app, 'd')
})

t.test('events are kept for ten minutes, and so is the name of their channel', async t => {
  const app = await setupLimited(t)
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
  t.strictSame(contentOf(await (await subscribe(t, app, 'b?from=start')).take(1)).at(-1), ['message', 'y2'])
  t.equal((await publish(app, 'c', { data: 'z' })).status, 201, 'the name of a is free')
  t.equal((await publish(app, 'a', { data: 'x' })).status, 503)
})

t.test('pages of other origins may subscribe and publish only if CORS_ORIGIN allows them', async t => {
  const app = await buildDemo(t, { CORS_ORIGIN: 'https://a.example' })
  t.match(await publish(app, 'news', { data: 'x' }, { origin: 'https://b.example' }), { status: 403, body: { code: 'FOREIGN_ORIGIN' } })
  t.equal((await app.inject({ url: '/channels/news', headers: { origin: 'https://b.example' } })).statusCode, 403)
  const headers = { origin: 'https://a.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type,idempotency-key,authorization' }
  const preflight = await app.inject({ method: 'OPTIONS', url: '/channels/news', headers })
  t.equal(preflight.statusCode, 204)
  t.match(preflight.headers, { 'access-control-allow-origin': 'https://a.example', 'access-control-allow-methods': /POST/, 'access-control-allow-headers': headers['access-control-request-headers'] })
  t.equal((await publish(app, 'news', { data: 'x' }, { origin: 'https://a.example' })).status, 201)
})
