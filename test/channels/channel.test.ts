import t from 'tap'
import type { SsePublished } from '../../plugin/channels/broker.ts'
import { Channel } from '../../plugin/channels/channel.ts'
import { FanOut } from '../../plugin/channels/fan-out.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { resolveChannelOptions } from '../../plugin/channels/options.ts'
import type { SsePublishFields } from '../../plugin/channels/payload.ts'
import { FakeStream, turns } from '../fixtures/subscriber.ts'

function setup (serializer: (data: unknown) => string = data => JSON.stringify(data)) {
  const fanOut = new FanOut(memoryBroker())
  const channel = (name: string): Channel => new Channel(name, fanOut, { serializer, history: resolveChannelOptions().history })
  return { fanOut, channel, stream: new FakeStream(fanOut) }
}

t.test('a published event reaches subscribers with all its fields and its id', async t => {
  const { channel, stream } = setup()
  const prices = channel('prices')
  t.equal(prices.name, 'prices')
  t.equal(prices.subscribers, 0)
  await stream.subscribe('prices')
  t.equal(channel('prices').subscribers, 1, 'objects with the same name are the same channel')
  const { id, repeated } = await prices.publish({ price: 1 }, { event: 'tick', retry: 5, comment: 'c', key: 'X' })
  await prices.publish('text')
  await prices.publish(null)
  await turns()
  const { events, comments, retries } = stream.decoded()
  t.strictSame(events.slice(1).map(({ event, data }) => [event, data]), [['tick', '{"price":1}'], [undefined, 'text'], [undefined, 'null']])
  t.equal(events[1]!.id, id)
  t.equal(repeated, false)
  t.strictSame([comments, retries], [['c'], [5]])
  t.notMatch(stream.text, /X/, 'clients do not receive the key')
})

t.test('an event is serialized once for all subscribers', async t => {
  let calls = 0
  const { fanOut, channel, stream } = setup(data => {
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

t.test('an invalid event is rejected and not published', async t => {
  const { channel, stream } = setup()
  await stream.subscribe('a')
  const a = channel('a')
  await t.rejects(a.publish('x', { event: 'sse-ready' }), { code: 'SSE_ERR_EVENT' })
  await t.rejects(a.publish('x', { idempotencyKey: 'key', retry: -1 }), { code: 'SSE_ERR_EVENT' })
  await t.rejects(a.publish(1n), { code: 'SSE_ERR_SERIALIZE' })
  await turns()
  t.strictSame(stream.data(), [])
})

t.test('an event is published once per idempotency key', async t => {
  const { channel, stream } = setup()
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

t.test('an invalid idempotency key is rejected, and undefined is no key', async t => {
  const { channel } = setup()
  const a = channel('a')
  for (const idempotencyKey of ['', 7]) await t.rejects(a.publish('x', { idempotencyKey } as SsePublishFields), { code: 'SSE_ERR_EVENT', message: /^An idempotency key must be/ })
  for (const idempotencyKey of ['x', undefined, undefined]) t.equal((await a.publish('x', { idempotencyKey })).repeated, false)
})

t.test('a channel has a valid name', async t => {
  const { channel } = setup()
  t.equal(channel('größe 😀').name, 'größe 😀')
  for (const name of ['', 'a\nb', 5]) t.throws(() => channel(name as string), { code: 'SSE_ERR_CHANNEL' })
})

t.test('the history can be read in the process', async t => {
  const { channel } = setup()
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

t.test('fields that are not an object are refused', async t => {
  const channel = setup().channel('a')
  for (const fields of [null, 5, 'delta']) await t.rejects(channel.publish('x', fields as unknown as object), { code: 'SSE_ERR_EVENT', message: /^Event fields must be an object/ })
})
