import t from 'tap'
import type { SseBroker } from '../../plugin/channels/broker.ts'
import type { ChannelSubscribers } from '../../plugin/channels/channel-subscribers.ts'
import { FanOut } from '../../plugin/channels/fan-out.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { Subscription } from '../../plugin/channels/subscription.ts'
import { HISTORY, publish, turns } from '../fixtures/subscriber.ts'

function setup (): { broker: SseBroker, fanOut: FanOut } {
  const broker = memoryBroker()
  return { broker, fanOut: new FanOut(broker) }
}

interface Recorder {
  subscription: Subscription
  /** The data of each batch. */
  batches: string[][]
  /** How many different deliveries there were. */
  deliveries: Set<unknown>
}

async function subscribe (channel: ChannelSubscribers, onDeliver: () => void = () => {}, deliveries = new Set<unknown>()): Promise<Recorder> {
  const batches: string[][] = []
  const subscription = new Subscription(channel, {
    deliver ({ batch }, delivery) {
      batches.push(batch!.entries.map(({ data }) => data!))
      deliveries.add(delivery)
      onDeliver()
    },
    onBreak () {}
  }, { filter: undefined, until: undefined, context: undefined })
  await channel.add(subscription)
  return { subscription, batches, deliveries }
}

t.test('a channel exists while it has subscribers', async t => {
  const { fanOut } = setup()
  const channel = fanOut.channel('a')
  t.equal(fanOut.channel('a'), channel)
  const [first, second] = [await subscribe(channel), await subscribe(channel)]
  await subscribe(fanOut.channel('b'))
  t.strictSame(Array.from(fanOut, ({ name, size }) => [name, size]), [['a', 2], ['b', 1]])
  t.strictSame(['a', 'b', 'c'].map(name => fanOut.subscriberCount(name)), [2, 1, 0])
  channel.remove(first.subscription)
  t.equal(fanOut.subscriberCount('a'), 1)
  channel.remove(second.subscription)
  t.equal(fanOut.subscriberCount('a'), 0)
  t.not(fanOut.channel('a'), channel)
})

t.test('a channel that is removed late does not remove its successor', async t => {
  const { fanOut } = setup()
  const channel = fanOut.channel('a')
  const { subscription } = await subscribe(channel)
  channel.remove(subscription)
  const successor = fanOut.channel('a')
  fanOut.remove(channel)
  t.equal(fanOut.channel('a'), successor)
})

t.test('what is published in one callback is delivered together at its end', async t => {
  const { broker, fanOut } = setup()
  const { batches } = await subscribe(fanOut.channel('a'))
  for (const data of ['1', '2', '3']) broker.publish('a', { data }, { history: HISTORY })
  t.strictSame(batches, [])
  await new Promise(resolve => { process.nextTick(resolve) })
  t.strictSame(batches, [['1', '2', '3']])
})

t.test('with up to 8 subscribers a channel delivers per callback, with more of them per turn', async t => {
  const { broker, fanOut } = setup()
  const { batches } = await subscribe(fanOut.channel('a'))
  const publishInTwoCallbacks = async (): Promise<string[][]> => {
    batches.length = 0
    for (const data of ['x', 'y']) setImmediate(() => { broker.publish('a', { data }, { history: HISTORY }) })
    await turns()
    return batches
  }
  for (let size = 2; size <= 8; size++) await subscribe(fanOut.channel('a'))
  t.strictSame(await publishInTwoCallbacks(), [['x'], ['y']])
  await subscribe(fanOut.channel('a'))
  t.strictSame(await publishInTwoCallbacks(), [['x', 'y']])
})

t.test('all channels deliver in one pass', async t => {
  const { broker, fanOut } = setup()
  const seen: unknown[] = []
  const [a, b] = [fanOut.channel('a'), fanOut.channel('b')]
  const { deliveries } = await subscribe(a, () => { seen.push([a.batch?.lastId, b.batch?.lastId]) })
  await subscribe(b, undefined, deliveries)
  const [first] = await publish(broker, 'b', ['1'])
  const [second] = await publish(broker, 'a', ['2'])
  await turns()
  t.strictSame(seen, [[second, first]], 'each channel sees the batches of all others')
  t.equal(deliveries.size, 1)
  t.strictSame([a.batch, b.batch], [undefined, undefined])
})

t.test('what is published during a delivery is delivered in the next turn', async t => {
  const { broker, fanOut } = setup()
  const channel = fanOut.channel('a')
  let published = 0
  const { batches } = await subscribe(channel, () => { if (published++ < 3) broker.publish('a', { data: `again ${published}` }, { history: HISTORY }) })
  await publish(broker, 'a', ['first'])
  await turns(1)
  t.strictSame(batches, [['first']])
  await turns(5)
  t.strictSame(batches, [['first'], ['again 1'], ['again 2'], ['again 3']])
})

t.test('flush() delivers what is pending, and nothing twice', async t => {
  const { broker, fanOut } = setup()
  const { batches } = await subscribe(fanOut.channel('a'), () => fanOut.flush())
  broker.publish('a', { data: '1' }, { history: HISTORY })
  fanOut.flush()
  t.strictSame(batches, [['1']])
  fanOut.flush()
  await turns()
  t.strictSame(batches, [['1']])
})
