import t from 'tap'
import { injectSse } from 'fastify-sse-emitter/testing'
import { build } from '../fixtures/app.ts'

t.test('the events of a stream are read as they are sent', async t => {
  const { app } = await build(t)
  app.post<{ Body: { name: string } }>('/', async ({ body, headers }, reply) => {
    const emitter = reply.sse({ retry: 1_000 })
    await emitter.comment('hello')
    await emitter.send({ name: body.name }, { event: 'greeting', id: 1 })
    await emitter.send(headers['x-a'] as string)
    emitter.complete()
    return reply
  })
  const stream = await injectSse(app, { url: '/', method: 'POST', headers: { 'x-a': 'b' }, payload: { name: 'Ada' } })
  t.equal(stream.statusCode, 200)
  t.match(stream.headers['content-type'], /^text\/event-stream/)
  t.strictSame(await stream.next(), { event: 'greeting', data: '{"name":"Ada"}', id: '1' })
  t.strictSame(await stream.next(), { event: 'message', data: 'b', id: '1' })
  t.equal(await stream.next(), undefined)
  t.equal(await stream.closed, 'complete')
  t.strictSame([stream.comments, stream.retry], [['hello'], 1_000])
})

t.test('several events can be awaited', async t => {
  const { app } = await build(t)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.sendAll(['a', 'b', 'c', 'd', 'e', 'f'])
    emitter.complete()
    return reply
  })
  const stream = await injectSse(app, { url: '/' })
  const dataOf = (events: Array<{ data: string }>) => events.map(({ data }) => data).join('')
  t.strictSame(await stream.take(0), [])
  t.equal(dataOf(await stream.take(2)), 'ab')
  t.equal(dataOf(await stream.until(({ data }) => data === 'd')), 'cd')
  const rest = []
  for await (const event of stream) rest.push(event)
  t.equal(dataOf(rest), 'ef')
  await t.rejects(stream.take(1), { message: 'The stream ended after []; expected 1 in total' })
  await t.rejects(stream.until(() => true), { message: 'The stream ended after []; expected another event' })
})

t.test('a client leaves, and comes back with the id of the last event that was read', async t => {
  const { app } = await build(t)
  const news = app.sse.channel('news')
  app.get('/', async (_request, reply) => {
    await reply.sse().subscribe(news)
    return reply
  })
  const stream = await injectSse(app, { url: '/' })
  await stream.until(({ event }) => event === 'sse-ready')
  for (const data of ['a', 'b', 'c']) await news.publish(data)
  t.equal((await stream.next())?.data, 'a')
  await stream.leave()
  t.equal(await stream.closed, 'client')
  t.equal(app.sse.size, 0)
  const again = await stream.comeBack()
  t.strictSame((await again.take(3)).map(({ event, data }) => [event, data]), [['sse-ready', '{}'], ['message', 'b'], ['message', 'c']])
  await again.leave()
  const first = await injectSse(app, { url: '/' })
  await first.leave()
  await (await first.comeBack()).leave()
})

t.test('a client leaves when its signal is aborted', async t => {
  const { app } = await build(t)
  app.get('/', async (_request, reply) => reply.sse())
  const controller = new AbortController()
  const stream = await injectSse(app, { url: '/', signal: controller.signal })
  controller.abort()
  t.equal(await stream.closed, 'client')
  t.equal(await stream.next(), undefined)
  t.equal(await (await injectSse(app, { url: '/', signal: controller.signal })).closed, 'client')
})

t.test('the reason is known of streams that have ended in any way', async t => {
  const { app } = await build(t)
  app.get('/timeout', async (_request, reply) => reply.sse({ timeout: 50 }))
  app.get('/failed', async (_request, reply) => {
    await reply.sse().send('x')
    throw new Error('Failed')
  })
  app.get('/refused', async (_request, reply) => {
    reply.sse()
    throw Object.assign(new Error('Refused'), { statusCode: 401 })
  })
  app.get('/json', async () => ({ a: 1 }))
  t.equal(await (await injectSse(app, { url: '/timeout' })).closed, 'timeout')
  const failed = await injectSse(app, { url: '/failed' })
  t.equal(await failed.closed, 'error')
  t.strictSame((await failed.take(2)).map(({ event }) => event), ['message', 'sse-error'])
  const refused = await injectSse(app, { url: '/refused' })
  t.equal(refused.statusCode, 401)
  t.equal(await refused.closed, 'error')
  const json = await injectSse(app, { url: '/json' })
  t.match(json.headers['content-type'], /^application\/json/)
  t.equal(await json.next(), undefined)
  t.equal(await json.closed, 'complete')
})

t.test('what app.inject() rejects with is passed on', async t => {
  const { app } = await build(t)
  app.addHook('onReady', async () => { throw new Error('Not ready') })
  await t.rejects(injectSse(app, { url: '/' }), /Not ready/)
})
