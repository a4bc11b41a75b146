import t from 'tap'
import type { SsePublished } from '../../plugin/channels/broker.ts'
import { Channel } from '../../plugin/channels/channel.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { resolveChannelOptions } from '../../plugin/channels/options.ts'
import type { SsePublishFields } from '../../plugin/channels/payload.ts'
import { FanOut } from '../../plugin/channels/fan-out.ts'
import { FakeStream, turns } from '../fixtures/subscriber.ts'

function scene (serializer: (data: unknown) => string = data => JSON.stringify(data)) {
  const fanOut = new FanOut(memoryBroker())
  const channel = (name: string): Channel => new Channel(name, fanOut, { serializer, history: resolveChannelOptions().history })
  return { fanOut, channel, stream: new FakeStream(fanOut) }
}

t.test('what is published reaches who follows, with all its fields and the id it was given', async t => {
  const { channel, stream } = scene()
  const prices = channel('prices')
  t.equal(prices.name, 'prices')
  t.equal(prices.subscribers, 0)
  await stream.subscribe('prices')
  t.equal(channel('prices').subscribers, 1, 'whichever object of that name is asked')
  const { id, repeated } = await prices.publish({ price: 1 }, { event: 'tick', retry: 5, comment: 'c', key: 'X' })
  await prices.publish('text')
  await prices.publish(null)
  await turns()
  const { events, comments, retries } = stream.decoded()
  t.strictSame(events.slice(1).map(({ event, data }) => [event, data]), [['tick', '{"price":1}'], [undefined, 'text'], [undefined, 'null']])
  t.equal(events[1]!.id, id)
  t.equal(repeated, false)
  t.strictSame([comments, retries], [['c'], [5]])
  t.notMatch(stream.text, /X/, 'a key is not for clients')
})

t.test('an event is serialized once, however many follow', async t => {
  let calls = 0
  const { fanOut, channel, stream } = scene(data => {
    calls++
    return String(data)
  })
  const others = [stream, new FakeStream(fanOut), new FakeStream(fanOut)]
  for (const other of others) await other.subscribe('a')
  await channel('a').publish(7)
  await turns()
  t.strictSame(others.map(other => other.data()), [['7'], ['7'], ['7']])
  t.equal(calls, 1)
})

t.test('what could not be written is refused, and nothing of it is published', async t => {
  const { channel, stream } = scene()
  await stream.subscribe('a')
  const a = channel('a')
  const loop: Record<string, unknown> = {}
  loop.self = loop
  const rows: Array<[data: unknown, fields: object | undefined, code: string, message: RegExp]> = [
    ['x', { event: 'a\nb' }, 'SSE_ERR_EVENT', /Event field `event` must be a single line/],
    ['x', { event: 'sse-ready' }, 'SSE_ERR_EVENT', /are reserved/],
    ['x', { id: '7' }, 'SSE_ERR_EVENT', /Event field `id` must not be set on a published event/],
    ['x', { retry: -1 }, 'SSE_ERR_EVENT', /Event field `retry` must be/],
    ['x', { name: 'y' }, 'SSE_ERR_EVENT', /Unknown event field `name`/],
    ['x', { key: 7 }, 'SSE_ERR_EVENT', /Event field `key` must be a string; received 7/],
    [undefined, { event: 'e' }, 'SSE_ERR_EVENT', /must have data/],
    [loop, undefined, 'SSE_ERR_SERIALIZE', /circular/],
    [() => {}, undefined, 'SSE_ERR_SERIALIZE', /returned undefined for a function/]
  ]
  for (const [data, fields, code, message] of rows) await t.rejects(a.publish(data, fields), { code, message }, String(message))
  await turns()
  t.strictSame(stream.data(), [])
})

t.test('an event is published once per idempotency key', async t => {
  const { channel, stream } = scene()
  await stream.subscribe('a')
  const a = channel('a')
  const publish = (n: number): Promise<SsePublished> => a.publish({ n }, { event: 'e', idempotencyKey: 'key' })
  const first = await publish(1)
  t.equal(first.repeated, false)
  t.strictSame(await publish(1), { id: first.id, repeated: true })
  await t.rejects(publish(2), { code: 'SSE_ERR_IDEMPOTENCY_KEY', statusCode: 422 })
  await turns()
  t.strictSame(stream.data(), ['{"n":1}'])
  t.notMatch(stream.text, /key/, 'clients do not receive the key')
})

t.test('an idempotency key is a string of 1 to 255 characters, or undefined', async t => {
  const { channel } = scene()
  const a = channel('a')
  for (const idempotencyKey of ['', 'x'.repeat(256), 7, null]) {
    await t.rejects(a.publish('x', { idempotencyKey } as SsePublishFields), { code: 'SSE_ERR_EVENT', message: /^An idempotency key must be a string of 1 to 255 characters; received / })
  }
  for (const idempotencyKey of ['x', 'x'.repeat(255), undefined, undefined]) t.equal((await a.publish('x', { idempotencyKey })).repeated, false)
})

t.test('a name is a text without control characters', async t => {
  const { channel } = scene()
  for (const name of ['', 'a\nb', 'a\0', '\x7f', 'x'.repeat(256), 5, undefined]) t.throws(() => channel(name as string), { code: 'SSE_ERR_CHANNEL' })
  t.throws(() => channel('a\nb'), { message: 'A channel name must be a string of 1 to 255 characters without control characters; received "a\\nb"' })
  for (const name of ['a', 'größe 😀', 'x'.repeat(255)]) t.equal(channel(name).name, name)
})

t.test('history is read in the process', async t => {
  const { channel } = scene()
  const a = channel('a')
  const ids = [(await a.publish('1')).id, (await a.publish('2')).id, (await a.publish('3')).id]
  const texts = async (options?: Parameters<typeof a.replay>[0]): Promise<unknown> => {
    const { entries, more, known } = await a.replay(options)
    return [entries.map(({ data }) => data), more, known]
  }
  t.strictSame(await texts(), [['1', '2', '3'], false, true])
  t.strictSame(await texts({ after: ids[0], count: 1 }), [['2'], true, true])
  t.strictSame(await texts({ after: 'x' }), [['1', '2', '3'], false, false])
  await t.rejects(a.replay({ count: 0 }), { code: 'SSE_ERR_OPTION' })
})
