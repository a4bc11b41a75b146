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

interface Follower {
  /** Waits for so many events, of which the first says where it stands. */
  read: (count: number) => Promise<EventSourceMessage[]>
  leave: () => void
}

/** Follows by a real socket. */
async function follow (t: Test, url: URL, path: string, headers: Record<string, string> = {}): Promise<Follower> {
  const { request, response } = call(new URL(`/channels/${path}`, url), { headers })
  t.teardown(() => request.destroy())
  const message = (await response).setEncoding('utf8').on('error', () => {})
  const chunks: string[] = []
  message.on('data', chunk => { chunks.push(chunk) })
  const read: Follower['read'] = async count => {
    for (;;) {
      const { events } = decode(...chunks)
      if (events.length >= count) return events
      await once(message, 'data')
    }
  }
  // From here on it gets what is published.
  await read(1)
  return { read, leave: () => request.destroy() }
}

const told = (events: EventSourceMessage[]): Array<[string | undefined, string]> => events.map(({ event, data }) => [event, data])
const ready: [string, string] = ['sse-ready', '{}']

t.test('what is published comes to all who follow, with the id that the publisher was told', async t => {
  const app = await demo(t)
  const url = await listen(app)
  const followers = [await follow(t, url, 'news'), await follow(t, url, 'news')]
  const other = await follow(t, url, 'other')
  t.strictSame(app.sse.channels(), [{ name: 'demo:news', subscribers: 2 }, { name: 'demo:other', subscribers: 1 }])
  const payloads = [{ data: 'a\nb' }, { data: { n: 1 }, event: 'count' }, { data: null }, { data: 0 }, { data: '' }]
  const ids: string[] = []
  for (const payload of payloads) {
    const { status, body } = await publish(app, 'news', payload)
    t.equal(status, 201)
    t.strictSame(Object.keys(body), ['id'])
    ids.push(body.id)
  }
  await publish(app, 'other', { data: 'for others' })
  for (const follower of followers) {
    const events = await follower.read(6)
    t.strictSame(told(events), [ready, [undefined, 'a\nb'], ['count', '{"n":1}'], [undefined, 'null'], [undefined, '0'], [undefined, '']])
    t.strictSame(events.slice(1).map(({ id }) => id), ids)
  }
  t.strictSame(told(await other.read(2)), [ready, [undefined, 'for others']])
})

t.test('who comes back gets what it has missed', async t => {
  const app = await demo(t)
  const url = await listen(app)
  const first = await follow(t, url, 'news')
  await publish(app, 'news', { data: 'one' })
  const { id } = (await first.read(2))[1]!
  first.leave()
  await publish(app, 'news', { data: 'two' })
  await publish(app, 'news', { data: 'three' })
  const missed = [ready, [undefined, 'two'], [undefined, 'three']]
  const second = await follow(t, url, 'news', { 'last-event-id': id! })
  t.strictSame(told(await second.read(3)), missed)
  const third = await follow(t, url, `news?lastEventId=${id}&from=start`)
  t.strictSame(told(await third.read(3)), missed, 'where it stands goes before where it would begin')
  await publish(app, 'news', { data: 'four' })
  for (const follower of [second, third]) t.strictSame(told(await follower.read(4)), [...missed, [undefined, 'four']])
  const stranger = await follow(t, url, 'news', { 'last-event-id': 'of-another-log.1-0' })
  t.strictSame(told(await stranger.read(1))[0], ['sse-reset', '{}'])
})

t.test('who comes anew gets what is published from now on, or with from=start all there is', async t => {
  const app = await demo(t)
  const url = await listen(app)
  await publish(app, 'news', { data: 'old' })
  const [now, alsoNow, start] = [await follow(t, url, 'news'), await follow(t, url, 'news?from=now'), await follow(t, url, 'news?from=start')]
  await publish(app, 'news', { data: 'new' })
  for (const follower of [now, alsoNow]) t.strictSame(told(await follower.read(2)), [ready, [undefined, 'new']])
  t.strictSame(told(await start.read(3)), [ready, [undefined, 'old'], [undefined, 'new']])
})

t.test('a channel keeps a thousand events', async t => {
  const app = await demo(t)
  const url = await listen(app)
  for (let number = 1; number <= 1_001; number++) await publish(app, 'news', { data: number })
  const follower = await follow(t, url, 'news?from=start')
  const events = (await follower.read(1_001)).slice(1)
  t.strictSame(events.map(({ data }) => Number(data)), Array.from({ length: 1_000 }, (_, index) => index + 2))
})

t.test('with an Idempotency-Key, a repeat is answered 200 with the same id, and published once', async t => {
  const app = await demo(t)
  const url = await listen(app)
  const follower = await follow(t, url, 'news')
  const headers = { 'idempotency-key': '~ a key !' }
  const first = await publish(app, 'news', { data: { a: 1 }, event: 'x' }, headers)
  t.equal(first.status, 201)
  t.match(await publish(app, 'news', { data: { a: 1 }, event: 'x' }, headers), { status: 200, body: { id: first.body.id } })
  for (const other of [{ data: { a: 2 }, event: 'x' }, { data: { a: 1 } }]) {
    t.match(await publish(app, 'news', other, headers), { status: 422, body: { code: 'SSE_ERR_IDEMPOTENCY_KEY', message: String } })
  }
  t.equal((await publish(app, 'other', { data: 'x' }, headers)).status, 201, 'a key is its channel\'s')
  t.equal((await publish(app, 'news', { data: 'end' }, { 'idempotency-key': 'k'.repeat(255) })).status, 201)
  t.strictSame(told(await follower.read(3)), [ready, ['x', '{"a":1}'], [undefined, 'end']])
})

t.test('a wrong request is answered 400, and nothing is published', async t => {
  const app = await demo(t)
  const url = await listen(app)
  const follower = await follow(t, url, 'news')
  const data = 'x'
  const rows: Array<[what: string, answer: Published]> = [
    ['no data', await publish(app, 'news', {})],
    ['no object', await publish(app, 'news', ['x'])],
    ['another field', await publish(app, 'news', { data, id: '7' })],
    ['an empty type', await publish(app, 'news', { data, event: '' })],
    ['a long type', await publish(app, 'news', { data, event: 'x'.repeat(101) })],
    ['a type that is a number', await publish(app, 'news', { data, event: 5 })],
    ['a type that is null', await publish(app, 'news', { data, event: null })],
    ['a type of the plugin\'s', await publish(app, 'news', { data, event: 'sse-x' })],
    ['a type of two lines', await publish(app, 'news', { data, event: 'a\nb' })],
    ['such a type, and a key', await publish(app, 'news', { data, event: 'sse-x' }, { 'idempotency-key': 'k' })],
    ['an empty key', await publish(app, 'news', { data }, { 'idempotency-key': '' })],
    ['a long key', await publish(app, 'news', { data }, { 'idempotency-key': 'k'.repeat(256) })],
    ['a key that is not ASCII', await publish(app, 'news', { data }, { 'idempotency-key': 'schlüssel' })],
    ['no JSON', await publish(app, 'news', '{', { 'content-type': 'application/json' })],
    ['an upper-case name', await publish(app, 'News', { data })],
    ['a long name', await publish(app, 'x'.repeat(65), { data })],
    ['a very long name', await publish(app, 'x'.repeat(10_000), { data })],
    ['no name', await publish(app, '', { data })],
    ['a name with a line break', await publish(app, 'news%0A', { data })]
  ]
  for (const [what, { status, body }] of rows) {
    t.equal(status, 400, what)
    t.match(body, { code: /^(FST|SSE)_ERR_/, message: String }, what)
  }
  t.equal((await publish(app, 'x'.repeat(64), { data, event: 'x'.repeat(100) })).status, 201)
  await publish(app, 'news', { data: 'end' })
  t.strictSame(told(await follower.read(2)), [ready, [undefined, 'end']])
  for (const path of ['News', 'x'.repeat(65), 'news?from=middle', 'news?from=now&from=start', 'news?from=', `news?lastEventId=${'x'.repeat(1_025)}`]) {
    const response = await app.inject(`/channels/${path}`)
    t.equal(response.statusCode, 400, path)
    t.match(response.json(), { code: String, message: String })
  }
})

t.test('data that the serializer refuses is the client\'s mistake', async t => {
  const { app } = await build(t, { serializer: () => { throw new Error('too deep') } })
  app.register(channels, { token: '' })
  t.match(await publish(app, 'news', { data: [] }), { status: 400, body: { code: 'SSE_ERR_SERIALIZE', message: /too deep/ } })
})

t.test('a body may have 64 KiB', async t => {
  const app = await demo(t)
  const payload = (length: number): object => ({ data: 'x'.repeat(length - JSON.stringify({ data: '' }).length) })
  t.equal((await publish(app, 'news', payload(65_536))).status, 201)
  t.match(await publish(app, 'news', payload(65_537)), { status: 413, body: { code: 'FST_ERR_CTP_BODY_TOO_LARGE', message: String } })
})

t.test('with PUBLISH_TOKEN, who publishes has to show it, and who follows does not', async t => {
  const app = await demo(t, { PUBLISH_TOKEN: 'p@ss!word' })
  const url = await listen(app)
  const follower = await follow(t, url, 'news')
  for (const authorization of [undefined, '', 'Bearer', 'Bearer ', 'p@ss!word', 'Basic p@ss!word', 'Bearer p@ss!wor', 'Bearer p@ss!word2', 'Bearer P@ss!word']) {
    const { status, headers, body } = await publish(app, 'news', { data: 'x' }, authorization === undefined ? {} : { authorization })
    t.equal(status, 401, String(authorization))
    t.equal(headers['www-authenticate'], 'Bearer')
    t.match(body, { code: 'TOKEN_REQUIRED', message: String })
  }
  t.equal((await publish(app, 'News', {})).status, 401, 'before anything else is said of the request')
  for (const authorization of ['Bearer p@ss!word', 'bearer p@ss!word']) {
    t.equal((await publish(app, 'news', { data: 'y' }, { authorization })).status, 201, authorization)
  }
  t.strictSame(told(await follower.read(3)), [ready, [undefined, 'y'], [undefined, 'y']])
})

/** An app with room for two names. */
async function small (t: Test): Promise<{ app: FastifyInstance, url: URL }> {
  const { app, listen } = await build(t)
  app.register(channels, { token: '', limit: 2 })
  return { app, url: await listen() }
}

t.test('a name more than may be in use is refused with 503, and those in use are not', async t => {
  const { app, url } = await small(t)
  const follower = await follow(t, url, 'followed')
  await publish(app, 'published', { data: 'x' })
  const following = await call(new URL('/channels/more', url)).answer()
  const publishing = await publish(app, 'more', { data: 'x' })
  for (const { status, headers, body } of [{ ...following, body: JSON.parse(following.body) }, publishing]) {
    t.equal(status, 503)
    t.match(body, { code: 'TOO_MANY_CHANNELS', message: 'All 2 channels that there may be are in use, try again later' })
    t.equal(headers['retry-after'], '60')
  }
  t.equal(app.sse.size, 1)
  t.equal((await publish(app, 'followed', { data: 'y' })).status, 201)
  t.strictSame(told(await follower.read(2)), [ready, [undefined, 'y']])
  t.strictSame(told(await (await follow(t, url, 'published?from=start')).read(2)), [ready, [undefined, 'x']])
})

t.test('a name is free when the last who follows it has left', async t => {
  const { app, url } = await small(t)
  const followers = [await follow(t, url, 'a'), await follow(t, url, 'a'), await follow(t, url, 'b')]
  const left = async (follower: Follower, size: number): Promise<void> => {
    follower.leave()
    while (app.sse.size > size) await sleep(5)
  }
  await left(followers[0]!, 2)
  t.equal((await publish(app, 'c', { data: 'x' })).status, 503)
  await left(followers[1]!, 1)
  t.equal((await publish(app, 'c', { data: 'x' })).status, 201)
})

t.test('a request that is refused leaves no name in use', async t => {
  const { app, url } = await small(t)
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
  await follow(t, url, 'd')
})

t.test('a name is free when ten minutes have passed since something was published, and so long events are kept', async t => {
  const { app, url } = await small(t)
  const { now } = performance
  let passed = 0
  t.intercept(performance, 'now', { value: () => now.call(performance) + passed })
  t.equal((await publish(app, 'a', { data: 'x' }, { 'idempotency-key': 'k' })).status, 201)
  await publish(app, 'b', { data: 'y' })
  passed += 9 * MINUTE
  t.equal((await publish(app, 'c', { data: 'z' })).status, 503)
  t.equal((await publish(app, 'a', { data: 'x' }, { 'idempotency-key': 'k' })).status, 200, 'which was published nine minutes ago')
  await publish(app, 'b', { data: 'y2' })
  passed += 2 * MINUTE
  t.strictSame(told(await (await follow(t, url, 'b?from=start')).read(2)).at(-1), [undefined, 'y2'])
  t.equal((await publish(app, 'c', { data: 'z' })).status, 201, 'in the place of a')
  t.equal((await publish(app, 'a', { data: 'x' })).status, 503)
})

t.test('pages of other origins may neither follow nor publish, unless CORS_ORIGIN names them', async t => {
  const app = await demo(t, { CORS_ORIGIN: 'https://a.example' })
  t.match(await publish(app, 'news', { data: 'x' }, { origin: 'https://b.example' }), { status: 403, body: { code: 'FOREIGN_ORIGIN' } })
  t.equal((await app.inject({ url: '/channels/news', headers: { origin: 'https://b.example' } })).statusCode, 403)
  const headers = { origin: 'https://a.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type,idempotency-key,authorization' }
  const preflight = await app.inject({ method: 'OPTIONS', url: '/channels/news', headers })
  t.equal(preflight.statusCode, 204)
  t.match(preflight.headers, { 'access-control-allow-origin': 'https://a.example', 'access-control-allow-methods': /POST/, 'access-control-allow-headers': headers['access-control-request-headers'] })
  t.equal((await publish(app, 'news', { data: 'x' }, { origin: 'https://a.example' })).status, 201)
})
