import fastify from 'fastify'
import t from 'tap'
import { isEventStream, setStreamHeaders } from '../../plugin/reply/headers.ts'

t.test('a stream is not cached, transformed or buffered, unless the reply says otherwise', async t => {
  const app = fastify()
  app.get('/', async (_request, reply) => setStreamHeaders(reply).send('x'))
  app.get('/own', async (_request, reply) => {
    reply.headers({ 'cache-control': 'no-store', 'x-accel-buffering': 'yes', 'content-type': 'text/plain' })
    return setStreamHeaders(reply).send('x')
  })
  t.match((await app.inject('/')).headers, {
    'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no', 'content-type': 'text/event-stream; charset=utf-8'
  })
  t.match((await app.inject('/own')).headers, {
    'cache-control': 'no-store', 'x-accel-buffering': 'yes', 'content-type': 'text/event-stream; charset=utf-8'
  })
})

t.test('the content type of an event stream may have any case and parameters', async t => {
  for (const type of ['text/event-stream', 'Text/Event-Stream', 'text/event-stream;charset=utf-8', 'text/event-stream ; x=y']) t.ok(isEventStream(type), type)
  for (const type of ['text/event-streams', 'text/plain', '', undefined, 5]) t.notOk(isEventStream(type), String(type))
})
