import type { RouteHandlerMethod } from 'fastify'
import t from 'tap'
import { detailed } from './fixtures/detailed.ts'
import { build } from './fixtures/app.ts'
import { decode } from './fixtures/client.ts'
import { connectionKey, endless, open } from './fixtures/open-streams.ts'
import { until } from './fixtures/until.ts'

t.test('app.sse lists every stream, from reply.sse() until its connection is closed', async t => {
  const { app, listen } = await build(t, { connectionKey })
  const emitters = endless(app)
  const url = await listen()
  t.strictSame(app.sse.list(), [])
  const anna = await open(url, 'anna')
  await open(url)
  emitters[0]!.send('x'.repeat(10))
  t.equal(app.sse.size, 2)
  t.match(app.sse.list(), [
    { id: 'req-1', key: 'anna', state: 'open', age: Number, queued: 17 },
    { id: 'req-2', key: undefined, state: 'open', age: Number, queued: 0 }
  ])
  anna.request.destroy()
  await emitters[0]!.closed
  t.strictSame(app.sse.list().map(({ id }) => id), ['req-2'])
})

t.test('app.sse.close() ends the streams that match', async t => {
  const { app, listen } = await build(t, { connectionKey })
  const emitters = endless(app)
  const url = await listen()
  const [anna, ben] = [await open(url, 'anna'), await open(url, 'ben')]
  emitters[0]!.send('last')
  t.equal(app.sse.close(({ key }) => key === 'anna'), 1)
  t.equal(app.sse.close(({ key }) => key === 'anna'), 0, 'a stream ends once')
  const { events } = decode((await anna.readAll()).body)
  t.strictSame(events.map(({ event, data }) => [event, data]), [
    [undefined, 'last'], ['sse-error', '{"code":"KICKED","message":"The server has closed the event stream","retryable":true}']
  ])
  t.equal(await emitters[0]!.closed, 'kicked')
  t.equal(emitters[1]!.state, 'open')
  t.equal(app.sse.close(), 1, 'all of them')
  await ben.readAll()
  t.equal(await emitters[1]!.closed, 'kicked')
})

t.test('a stream that the server ends before it opens is answered at once, whatever its handler does', async t => {
  const { app, listen } = await build(t)
  const kicked: string[] = []
  const handlers: Record<string, RouteHandlerMethod> = {
    'returns nothing': (_request, reply) => { reply.sse().onCompletion(reason => { kicked.push(reason) }) },
    'returns the reply': (_request, reply) => {
      reply.sse().onCompletion(reason => { kicked.push(reason) })
      return reply
    },
    'is async and returns the reply': async (_request, reply) => {
      reply.sse().onCompletion(reason => { kicked.push(reason) })
      return reply
    },
    'is kicked while it runs': (_request, reply) => {
      reply.sse().onCompletion(reason => { kicked.push(reason) })
      app.sse.close()
    },
    'awaits a send': async (_request, reply) => {
      const emitter = reply.sse()
      emitter.onCompletion(reason => { kicked.push(reason) })
      app.sse.close()
      await emitter.send('x')
    }
  }
  for (const [index, handler] of Object.values(handlers).entries()) app.get(`/${index}`, handler)
  const url = await listen()
  for (const [index, name] of Object.keys(handlers).entries()) {
    const response = fetch(new URL(`/${index}`, url))
    await until(() => app.sse.size === 1 || kicked.length > index, 'the stream is pending, or has ended')
    app.sse.close()
    const { status, headers } = await response
    t.strictSame([status, headers.get('content-type')], [200, 'text/event-stream; charset=utf-8'], name)
    await until(() => kicked.length > index, `the stream of a handler that ${name} has ended`)
  }
  t.strictSame(kicked, Array(5).fill('kicked'))
})

t.test('a callback of app.sse.close() that throws or returns a promise ends no stream', async t => {
  const { app, listen } = await build(t, { connectionKey })
  const emitters = endless(app)
  const url = await listen()
  await open(url, 'anna')
  await open(url, 'ben')
  const promised = (async () => { throw new Error('lost') }) as unknown as () => boolean
  t.throws(() => app.sse.close('anna' as unknown as () => boolean), { code: 'SSE_ERR_OPTION', ...detailed('The callback of app.sse.close() must be a function; received "anna"') })
  t.throws(() => app.sse.close(promised), { code: 'SSE_ERR_CALLBACK', ...detailed('The callback `match` must return true or false; it returned a promise') })
  t.throws(() => app.sse.close(({ key }) => { if (key === 'anna') return true; throw new Error('boom') }), { message: 'boom' })
  t.strictSame(emitters.map(({ state }) => state), ['open', 'open'])
  t.equal(app.sse.close(), 2)
})

t.test('app.sse.list() and app.sse.close() receive the context of a stream', async t => {
  const { app, listen } = await build(t)
  app.get<{ Querystring: { user: string } }>('/', async ({ query }, reply) => {
    reply.sse({ context: query }).open()
  })
  app.get('/invalid', async (_request, reply) => { reply.sse({ context: 'anna' as never }) })
  const url = await listen()
  const anna = await open(new URL('/?user=anna', url))
  await open(new URL('/?user=ben', url))
  t.match(app.sse.list().map(({ context }) => context), [{ user: 'anna' }, { user: 'ben' }])
  t.equal(app.sse.close(({ context }) => (context as { user: string }).user === 'anna'), 1)
  await anna.readAll()
  t.match(app.sse.list().map(({ context }) => context), [{ user: 'ben' }])
  t.match((await app.inject('/invalid')).json(), { code: 'SSE_ERR_OPTION' })
})
