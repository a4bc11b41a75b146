import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { injectSse } from 'fastify-sse-emitter/testing'
import { buildApp } from '../../../server/app.ts'
import { readConfig } from '../../../server/config.ts'
import { sleep, type LogLine } from '../../fixtures/app.ts'
import { call, decode } from '../../fixtures/client.ts'
import { until } from '../../fixtures/until.ts'

const { cases } = JSON.parse(readFileSync(new URL('../../fixtures/vectors/spring-sse-emitter.json', import.meta.url), 'utf8')) as {
  cases: Array<{ name: string, springBody: string }>
}
const SPRING_BODY = cases.find(({ name }) => name === 'seed')!.springBody

interface Setup { app: FastifyInstance, url: URL, logs: LogLine[] }

/** @param onLog called with each log message before it is written */
async function setup (t: Test, interval: number, onLog: (message: string) => void = () => {}): Promise<Setup> {
  const logs: LogLine[] = []
  const write = (text: string): void => {
    const line: LogLine = JSON.parse(text)
    onLog(line.msg)
    logs.push(line)
  }
  const app = await buildApp(readConfig({ CHAT_INTERVAL_MS: String(interval) }), { logger: { stream: { write } } })
  t.teardown(() => app.close())
  return { app, logs, url: new URL('/learn/sseChat', await app.listen({ port: 0, host: '127.0.0.1' })) }
}

t.test('the body equals that of Spring byte for byte, one line per interval', async t => {
  const { url, logs } = await setup(t, 60)
  url.searchParams.set('name', 'Thread-2')
  const start = performance.now()
  const response = await call(url).response
  /** When each line arrived, in milliseconds since the request. */
  const times: number[] = []
  let body = ''
  response.setEncoding('utf8').on('data', chunk => {
    body += chunk
    while (body.includes(`index:${times.length + 1}\n`)) times.push(performance.now() - start)
  })
  await once(response, 'end')
  const end = performance.now() - start
  t.equal(body, SPRING_BODY)
  t.equal(times.length, 10)
  // A timer may fire a millisecond early.
  for (const [index, time] of times.entries()) t.ok(time > index * 59, `line ${index + 1} after ${time} ms`)
  t.ok(times[9]! - times[0]! > 60, 'lines are not held back until the end')
  t.ok(end > 10 * 59, 'the stream ends one interval after the tenth line')
  await until(() => logs.some(({ msg }) => msg === 'sse complete'), 'the end of the stream is logged')
  const messages = logs.map(({ msg }) => msg)
  t.strictSame(messages.filter(msg => /^Thread-2|^start return sse$|^sse /.test(msg)), [
    'start return sse',
    ...Array.from({ length: 10 }, (_, index) => `Thread-2: the next index:${index + 1}`),
    'sse complete'
  ])
})

t.test('exactly one name of 1 to 200 characters is required', async t => {
  const { app } = await setup(t, 0)
  for (const query of ['', '?name=', '?name=a&name=b', `?name=${'x'.repeat(201)}`]) {
    const response = await app.inject(`/learn/sseChat${query}`)
    t.equal(response.statusCode, 400, query.slice(0, 20))
    t.match(response.json(), { statusCode: 400, code: 'FST_ERR_VALIDATION', message: String })
  }
  t.equal((await app.inject(`/learn/sseChat?name=${'x'.repeat(200)}`)).statusCode, 200)
})

t.test('line breaks in a name break neither the stream nor the log', async t => {
  const { app, logs } = await setup(t, 0)
  const name = 'a\n\nevent: evil\r\ndata: \u001b[2J'
  const { body } = await app.inject(`/learn/sseChat?name=${encodeURIComponent(name)}`)
  const { events } = decode(body)
  t.equal(events.length, 11)
  t.ok(events.every(({ event }) => event === undefined))
  t.equal(events[1]!.data, `${name.replace('\r\n', '\n')}: the next index:1`)
  t.notOk(logs.some(({ msg }) => /\p{Cc}/u.test(msg)))
})

t.test('a disconnect ends the chat', async t => {
  const { app, logs } = await setup(t, 50)
  const stream = await injectSse(app, { url: '/learn/sseChat?name=x' })
  await stream.take(1)
  await stream.leave()
  await sleep(120)
  t.match(logs.find(({ msg }) => msg === 'sse complete'), { reason: 'client' })
  t.ok(logs.filter(({ msg }) => msg.startsWith('x: ')).length <= 2, 'no line is generated after the disconnect')
  t.strictSame(logs.filter(({ level }) => level >= 40), [])
})

t.test('an error is logged and ends the stream', async t => {
  const { app, logs } = await setup(t, 0, message => { if (message.endsWith('index:3')) throw new Error('the disk is full') })
  const { body } = await app.inject('/learn/sseChat?name=x')
  t.strictSame(decode(body).events.map(({ event, data }) => event ?? data), ['start', 'x: the next index:1', 'x: the next index:2', 'sse-error'])
  await until(() => logs.some(({ msg }) => msg === 'sse complete'), 'the end of the stream is logged')
  t.match(logs.find(({ msg }) => msg === 'sse error'), { level: 50, err: { message: 'the disk is full' } })
  t.match(logs.find(({ msg }) => msg === 'sse complete'), { reason: 'error' })
})
