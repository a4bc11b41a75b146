import fastify from 'fastify'
import t from 'tap'
import { sessionKey, startSession } from '../../server/session.ts'

const app = fastify()
t.teardown(() => app.close())
app.addHook('onRequest', startSession)
app.get('/', async request => sessionKey(request, 'key'))

const SESSION = 'sse-demo-session=0123456789abcdefghij-_'

t.test('a page starts a session unless there is one', async t => {
  const cookieOf = async (headers: Record<string, string>): Promise<unknown> => (await app.inject({ url: '/', headers })).headers['set-cookie']
  const accept = 'text/html,application/xhtml+xml'
  t.match(await cookieOf({ accept }), /^sse-demo-session=[\w-]{22}; Path=\/; Max-Age=31536000; HttpOnly; SameSite=Lax$/)
  t.match(await cookieOf({ accept, cookie: 'sse-demo-session=short' }), /^sse-demo-session=/, 'a malformed one is replaced')
  t.equal(await cookieOf({ accept, cookie: SESSION }), undefined)
  t.equal(await cookieOf({ accept: '*/*' }), undefined)
  t.equal(await cookieOf({}), undefined)
})

t.test('a key differs by session, or by address without a session', async t => {
  const key = async (cookie: string | undefined, remoteAddress: string): Promise<string> =>
    (await app.inject({ url: '/', remoteAddress, headers: cookie === undefined ? {} : { cookie } })).body
  t.match(await key(undefined, '10.0.0.1'), /^[\w-]{43}$/)
  t.equal(await key(SESSION, '10.0.0.1'), await key(`a=b; ${SESSION}; c=d`, '10.0.0.2'))
  t.equal(await key(undefined, '10.0.0.1'), await key('sse-demo-session=short', '10.0.0.1'))
  const keys = [await key(SESSION, '10.0.0.1'), await key(undefined, '10.0.0.1'), await key(undefined, '10.0.0.2')]
  t.equal(new Set(keys).size, 3)
})
