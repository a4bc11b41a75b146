import { once } from 'node:events'
import { EventSource } from 'eventsource'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { event, memoryBroker, type SseRun, type SseStreamOptions } from 'fastify-sse-emitter'
import { build, WARN } from '../fixtures/app.ts'
import { call, decode, type Decoded } from '../fixtures/client.ts'
import { byHand } from '../fixtures/runs.ts'

/** A route that lets clients watch any run. */
function watch (app: FastifyInstance, options: { markers?: boolean } = {}, stream: SseStreamOptions = {}): void {
  app.get<{ Params: { id: string } }>('/:id', async ({ params }, reply) => {
    const run = await app.sse.runs.get(params.id)
    if (run === undefined) return reply.code(404).send()
    const emitter = reply.sse(stream)
    await run.watch(emitter, options)
    return emitter
  })
}

const read = async (url: URL | string, headers: Record<string, string> = {}): Promise<Decoded & { status: number }> => {
  const { status, body } = await call(url, { headers }).answer()
  return { status, ...decode(body) }
}

const pairs = ({ events }: Decoded): Array<[string | undefined, string]> => events.map(({ event, data }) => [event, data])

const until = async (holds: () => boolean): Promise<void> => { while (!holds()) await new Promise(resolve => { setImmediate(resolve) }) }

t.test('a run is seen whole by everybody, and then the stream ends', async t => {
  const { app, logs, listen } = await build(t)
  watch(app)
  const url = await listen()
  const hand = byHand()
  const { run } = await app.sse.runs.start('a', hand.produce)
  hand.give(event({ text: 'Hel' }, { event: 'delta' }))
  const early = read(new URL('a', url))
  await until(() => run.viewers === 1)
  hand.give(event({ text: 'lo' }, { event: 'delta' }))
  hand.end({ finishReason: 'stop' })
  const whole = [['sse-ready', '{}'], ['delta', '{"text":"Hel"}'], ['delta', '{"text":"lo"}'], ['done', '{"finishReason":"stop"}']]
  t.strictSame(pairs(await early), whole)
  t.strictSame(pairs(await read(new URL('a', url))), whole, 'also by who comes when it is over')
  await until(() => run.viewers === 0)
  t.equal(run.state, 'done')
  t.equal((await read(new URL('b', url))).status, 404)
  t.strictSame(logs.filter(({ level }) => level >= WARN), [])
})

t.test('who comes back goes on, and who has seen the end is told to stop', async t => {
  const { app, listen } = await build(t)
  watch(app)
  const url = new URL('a', await listen())
  await app.sse.runs.start('a', () => ['1', '2', '3'])
  const { events } = await read(url)
  const from = async (index: number): Promise<unknown> => {
    const answer = await read(url, { 'last-event-id': events[index]!.id! })
    return answer.status === 200 ? pairs(answer).slice(1).map(([, data]) => data) : answer.status
  }
  t.strictSame(await from(0), ['1', '2', '3', '{}'])
  t.strictSame(await from(2), ['3', '{}'])
  t.strictSame(await from(3), ['{}'])
  t.equal(await from(4), 204)
  const foreign = await read(url, { 'last-event-id': 'another.1-0' })
  t.strictSame(pairs(foreign), [['sse-reset', '{}'], [undefined, '1'], [undefined, '2'], [undefined, '3'], ['done', '{}']])
})

t.test('an EventSource gets it all, once, and stops', async t => {
  const { app, listen } = await build(t, { retry: 10 })
  watch(app)
  const url = new URL('a', await listen())
  const hand = byHand()
  const { run } = await app.sse.runs.start('a', hand.produce)
  const statuses: number[] = []
  const source = new EventSource(url, {
    fetch: async (input, init) => {
      const response = await fetch(input, init)
      statuses.push(response.status)
      return response
    }
  })
  t.teardown(() => source.close())
  const texts: string[] = []
  source.addEventListener('message', ({ data }) => { texts.push(data) })
  for (let index = 0; index < 50; index++) {
    hand.give(String(index))
    await until(() => run.viewers > 0 && texts.length === index + 1)
    if (index % 10 === 9) app.sse.close()
  }
  hand.end()
  while (source.readyState !== EventSource.CLOSED) await once(source, 'error')
  t.strictSame(texts, Array.from({ length: 50 }, (_, index) => String(index)))
  t.equal(statuses.at(-1), 204)
})

t.test('a viewer that reads nothing slows neither the producer nor another viewer', async t => {
  const { app, listen } = await build(t, { stallTimeout: 60_000, maxBuffered: 1_024 })
  watch(app)
  const url = new URL('a', await listen())
  const big = 'x'.repeat(10_000)
  const hand = byHand()
  const { run } = await app.sse.runs.start('a', hand.produce, { maxBytes: 100_000_000 })
  const stalled = call(url)
  const message = await stalled.response
  message.pause()
  const other = read(url)
  await until(() => run.viewers === 2)
  for (let count = 0; count < 1_500; count++) hand.give(big)
  hand.end()
  const { events } = await other
  t.equal(events.length, 1_502)
  t.equal(run.state, 'done')
  // It has lost nothing either.
  let body = ''
  for await (const chunk of message.setEncoding('utf8')) body += chunk
  t.strictSame(decode(body).events.map(({ data }) => data), events.map(({ data }) => data))
})

t.test('viewers come and go', async t => {
  const { app, listen } = await build(t)
  watch(app, { markers: false })
  const url = new URL('a', await listen())
  const hand = byHand()
  const { run } = await app.sse.runs.start('a', hand.produce)
  t.equal(run.viewers, 0)
  const [first, second] = [call(url), call(url)]
  await Promise.all([first.response, second.response])
  t.equal(run.viewers, 2)
  first.request.destroy()
  await until(() => run.viewers === 1)
  t.equal(run.state, 'running')
  hand.end()
  t.strictSame(pairs(decode((await second.answer()).body)), [['done', '{}']], 'without markers there is nothing else')
})

t.test('a run is read in the process as clients see it', async t => {
  const { app } = await build(t)
  const { run } = await app.sse.runs.start('a', () => ['1', '2'])
  const texts = async (run: SseRun, after?: string): Promise<string[]> => {
    const texts: string[] = []
    for await (const { id, event, data } of run.read({ after })) texts.push(`${event ?? ''} ${data} ${id.length > 10}`)
    return texts
  }
  t.strictSame(await texts(run), [' 1 true', ' 2 true', 'done {} true'])
  const reading = run.read()[Symbol.asyncIterator]()
  const { value } = await reading.next()
  t.equal(run.viewers, 1)
  t.strictSame(await texts(run, value.id), [' 2 true', 'done {} true'])
  await reading.return!()
  t.equal(run.viewers, 0)
})

t.test('a run is watched and cancelled from another process', async t => {
  const broker = memoryBroker()
  const [here, there] = [await build(t, { broker }), await build(t, { broker })]
  watch(there.app)
  const url = new URL('a', await there.listen())
  const hand = byHand()
  const { run } = await here.app.sse.runs.start('a', hand.produce)
  hand.give('x')
  const viewer = read(url)
  await until(() => there.app.sse.size === 1)
  t.equal(await there.app.sse.runs.cancel('a'), true)
  t.strictSame(pairs(await viewer), [['sse-ready', '{}'], [undefined, 'x'], ['aborted', '{"reason":"cancelled"}']])
  await until(() => hand.ended())
  t.equal(run.state, 'aborted')
  const { events } = await read(url)
  t.equal((await read(url, { 'last-event-id': events.at(-1)!.id! })).status, 204)
})

t.test('when the server stops, viewers see why', async t => {
  const { app, listen } = await build(t)
  watch(app)
  const url = new URL('a', await listen())
  const hand = byHand()
  await app.sse.runs.start('a', hand.produce)
  hand.give('x')
  const message = await call(url).response
  let text = ''
  message.setEncoding('utf8').on('data', chunk => { text += chunk })
  await until(() => decode(text).events.length === 2)
  await app.close()
  await until(() => message.readableEnded)
  t.strictSame(pairs(decode(text)).slice(1), [[undefined, 'x'], ['failed', '{"code":"shutdown","message":"The server has stopped","retryable":true}']])
  t.equal(hand.ended(), true)
})
