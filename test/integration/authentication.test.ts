import type {} from '@fastify/jwt'
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import sse from 'fastify-sse-emitter'
import * as client from '../../plugin/client/index.ts'
import { injectSse } from '../../plugin/testing/index.ts'
import { blocksOf, runBlock } from '../fixtures/doc-blocks.ts'
import { until } from '../fixtures/until.ts'

declare module 'fastify' {
  interface Session { userId?: string }
}

const DOCUMENT = 'docs/authentication.md'
const SECRET = 'a secret with at least thirty-two characters'

async function start (t: Test, options: FastifyServerOptions = {}): Promise<FastifyInstance> {
  const app = fastify(options)
  t.teardown(() => app.close())
  t.intercept(process, 'env', { value: { ...process.env, SESSION_SECRET: SECRET, JWT_SECRET: SECRET } })
  return app
}

/** An application with the document's sessions. @returns the headers of a user who signs in */
async function startWithSessions (t: Test, maxAge = '60_000'): Promise<{ app: FastifyInstance, signIn: (userId: string) => Promise<{ cookie: string }> }> {
  const app = await start(t)
  await runBlock(blocksOf(DOCUMENT, 'Sessions')[0]!.replace(/maxAge: [^}]* }/, `maxAge: ${maxAge} }`), { app, sse })
  await runBlock(blocksOf(DOCUMENT, 'Sign-out')[0]!, { app })
  app.post<{ Body: string }>('/sign-in', async request => { request.session.userId = request.body })
  const signIn = async (userId: string): Promise<{ cookie: string }> => {
    const { cookies } = await app.inject({ method: 'POST', url: '/sign-in', headers: { 'content-type': 'text/plain' }, payload: userId })
    return { cookie: `${cookies[0]!.name}=${cookies[0]!.value}` }
  }
  return { app, signIn }
}

t.test('a stream with a session is opened for its user, and ended by a sign-out', async t => {
  const { app, signIn } = await startWithSessions(t)
  const url = '/notifications'
  t.equal((await app.inject(url)).statusCode, 401)
  const headers = await signIn('anna')
  const stream = await injectSse(app, { url, headers })
  t.match(await stream.next(), { event: 'sse-ready' })
  await app.sse.channel('user:ben').publish('for ben')
  await app.sse.channel('user:anna').publish('for anna')
  t.match(await stream.next(), { data: 'for anna' })
  t.equal((await app.inject({ method: 'POST', url: '/sign-out', headers })).statusCode, 200)
  t.equal(await stream.closed, 'kicked')
  t.equal((await app.inject({ url, headers })).statusCode, 401)
})

t.test('a session that ends while a stream is open ends the stream', async t => {
  const { app, signIn } = await startWithSessions(t, '2_000')
  const stream = await injectSse(app, { url: '/notifications', headers: await signIn('anna') })
  t.match(await stream.take(2), [{ event: 'sse-ready' }, { event: 'sse-error', data: /"EXPIRED"/ }])
  t.equal(await stream.closed, 'expired')
})

/** An application with the document's tokens, and a way to get one. */
async function startWithTokens (t: Test, options?: FastifyServerOptions): Promise<{ app: FastifyInstance, url: string, sign: (expiresIn?: string) => string }> {
  const app = await start(t, options)
  await runBlock(blocksOf(DOCUMENT, 'Tokens')[0]!, { app, sse })
  await runBlock(blocksOf(DOCUMENT, 'Tickets')[0]!, { app })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, url, sign: (expiresIn = '15m') => app.jwt.sign({ sub: 'anna' }, { expiresIn }) }
}

t.test('a client misses nothing when its token expires', async t => {
  const { app, url, sign } = await startWithTokens(t)
  const lines: string[] = []
  const tokens: string[] = []
  const location = { href: '' }
  const [, code] = blocksOf(DOCUMENT, 'Tokens')
  const local = async (): Promise<Response> => {
    tokens.push(sign('3s'))
    return new Response(tokens.at(-1))
  }
  const console = { log: (...texts: string[]) => { lines.push(texts.join(' ')) } }
  let connection: client.SseConnection | undefined
  const connect = (path: string, options: client.SseConnectOptions): client.SseConnection => {
    connection = client.connect(`${url}${path}`, { ...options, retry: { initial: 1, jitter: 0 } })
    return connection
  }
  await runBlock(code!, { fetch: local, console, location }, { 'fastify-sse-emitter/client': { connect } })
  t.teardown(() => connection!.close())
  await until(() => app.sse.size === 1, 'it is connected')
  t.equal(app.sse.list()[0]!.key, 'anna')
  const published: string[] = []
  while (tokens.length < 2) {
    published.push(`message ${published.length}`)
    await app.sse.channel('prices').publish(`${published.length - 1}`)
    await new Promise(resolve => { setTimeout(resolve, 20) })
  }
  const expired = 'the token has expired, and is renewed'
  await until(() => lines.filter(line => line !== expired).length === published.length, 'everything is received')
  t.strictSame(lines.filter(line => line !== expired), published)
  t.ok(lines.includes(expired))
  t.equal(location.href, '')
})

t.test("a page whose token is rejected, or can't be renewed, opens the sign-in page", async t => {
  const { url } = await startWithTokens(t)
  for (const response of [new Response('x.y.z'), new Response(null, { status: 401 })]) {
    const location = { href: '' }
    const connect = (path: string, options: client.SseConnectOptions): client.SseConnection => client.connect(`${url}${path}`, options)
    await runBlock(blocksOf(DOCUMENT, 'Tokens')[1]!, { fetch: async () => response, location }, { 'fastify-sse-emitter/client': { connect } })
    await until(() => location.href === '/sign-in', 'the page has changed')
  }
})

t.test('other clients send a token in a header', async t => {
  const { app, url, sign } = await startWithTokens(t)
  for (const code of blocksOf(DOCUMENT, 'Tokens').slice(2)) {
    const lines: string[] = []
    let close = (): void => {}
    const { EventSource } = await import('eventsource')
    class Closable extends EventSource {
      constructor (...args: ConstructorParameters<typeof EventSource>) {
        super(...args)
        close = () => { this.close() }
      }
    }
    const running = runBlock(code.replace('https://example.com', url), { console: { log: (...texts: string[]) => { lines.push(texts.join(' ')) } }, renewToken: async () => sign() }, { eventsource: { EventSource: Closable } })
    await until(() => app.sse.size === 1, 'it is connected')
    await app.sse.channel('prices').publish('hello')
    await until(() => lines.some(line => line.includes('hello')), 'the event is received')
    close()
    app.sse.close()
    await running
    await until(() => app.sse.size === 0, 'it is disconnected')
  }
})

t.test('a ticket opens one stream, which ends with the token, and is not valid later', async t => {
  const { app, sign } = await startWithTokens(t)
  t.equal((await app.inject({ method: 'POST', url: '/ticket' })).statusCode, 401)
  const buy = async (): Promise<string> => (await app.inject({ method: 'POST', url: '/ticket', headers: { authorization: `Bearer ${sign('3s')}` } })).json().ticket
  const url = `/news?ticket=${await buy()}`
  const stream = await injectSse(app, { url })
  t.match(await stream.next(), { event: 'sse-ready' })
  const other = await injectSse(app, { url: `/news?ticket=${await buy()}` })
  t.strictSame(app.sse.list().map(({ key }) => key), ['anna', 'anna'])
  await other.leave()
  for (const used of [url, `${url}&ticket=1`, '/news', '/news?ticket=__proto__']) t.equal((await app.inject(used)).statusCode, 401, used)
  t.match(await stream.next(), { event: 'sse-error', data: /"EXPIRED"/ })
  t.equal(await stream.closed, 'expired')
  const clock: Array<() => void> = []
  t.intercept(globalThis, 'setTimeout', { value: (callback: () => void, ms: number) => { t.equal(ms, 10_000); clock.push(callback); return { unref () {} } } })
  const late = await buy()
  for (const callback of clock) callback()
  t.equal((await app.inject(`/news?ticket=${late}`)).statusCode, 401)
})

t.test('the log contains no ticket', async t => {
  let options: FastifyServerOptions = {}
  const capture = (given: FastifyServerOptions): void => { options = given }
  await runBlock(blocksOf(DOCUMENT, 'Tickets')[1]!, {}, { fastify: { default: capture } })
  const lines: string[] = []
  const { app } = await startWithTokens(t, { logger: { ...options.logger as object, stream: { write: line => { lines.push(line) } } } })
  const response = await app.inject('/news?ticket=secret')
  t.equal(response.statusCode, 401)
  t.ok(lines.some(line => line.includes('"url":"/news"')))
  t.notOk(lines.some(line => line.includes('secret')))
})

t.test('when the rights of a user change, streams end, or the filter applies them', async t => {
  const [route, ...changes] = blocksOf(DOCUMENT, 'Rights that change')
  const ends: Array<string | undefined> = []
  for (const change of changes) {
    const { app, signIn } = await startWithSessions(t)
    const groups = new Map([['anna', ['a']]])
    const groupsOf = async (id: string): Promise<string[]> => groups.get(id)!
    const saveGroups = async (id: string, changed: string[]): Promise<void> => { groups.set(id, changed) }
    await runBlock(`${route!}${change}`, { app, requireUser: async () => {}, groupsOf, saveGroups })
    const publish = async (data: string, key: string): Promise<unknown> => await app.sse.channel('documents').publish(data, { key })
    const stream = await injectSse(app, { url: '/documents', headers: await signIn('anna') })
    await stream.next()
    await publish('1', 'b')
    await publish('2', 'a')
    t.match(await stream.next(), { data: '2' })
    t.equal((await app.inject({ method: 'PUT', url: '/users/anna/groups', payload: ['b'] })).statusCode, 200)
    const isOpen = app.sse.list()[0]?.state === 'open'
    ends.push(isOpen ? undefined : await stream.closed)
    const last = isOpen ? stream : await stream.comeBack()
    await publish('3', 'a')
    await publish('4', 'b')
    const [event] = (await last.until(({ data }) => data === '4')).filter(({ event }) => event === 'message')
    t.match(event, { data: '4' })
    await last.leave()
  }
  t.strictSame(ends, ['kicked', undefined])
})

t.test('a stream that opens while the rights of its user change is ended', async t => {
  const { app, signIn } = await startWithSessions(t)
  const [route, change] = blocksOf(DOCUMENT, 'Rights that change')
  let read!: () => void
  const groupsOf = async (): Promise<string[]> => await new Promise(resolve => { read = () => { resolve(['a']) } })
  await runBlock(`${route!}${change!}`, { app, requireUser: async () => {}, groupsOf, saveGroups: async () => {} })
  const opening = injectSse(app, { url: '/documents', headers: await signIn('anna') })
  await until(() => app.sse.size === 1, 'the groups are read')
  await app.inject({ method: 'PUT', url: '/users/anna/groups', payload: [] })
  read()
  t.equal(await (await opening).closed, 'kicked')
})
