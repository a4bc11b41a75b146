import t from 'tap'
import type { SseBroker, SseBrokerListener, SseBrokerSubscription } from '../../plugin/channels/broker.ts'
import { ChannelSubscribers } from '../../plugin/channels/channel-subscribers.ts'
import { Subscription, type BatchListener } from '../../plugin/channels/subscription.ts'
import { entryAt } from '../fixtures/subscription.ts'

const DELIVERY = { now: 0 }

/** A channel, and an owner that records what is called. Its broker confirms the subscription when `confirm` is called. */
function setup () {
  const calls: string[] = []
  let listener: SseBrokerListener
  let confirm = (): void => {}
  let refuse = (_error: Error): void => {}
  const brokerSubscription = { position: 'e.0-0', unsubscribe: () => { calls.push('unsubscribe') } }
  const broker = {
    subscribe: async (name: string, subscriber: SseBrokerListener) => {
      calls.push(`subscribe ${name}`)
      listener = subscriber
      return await new Promise<SseBrokerSubscription>((resolve, reject) => {
        confirm = () => resolve(brokerSubscription)
        refuse = reject
      })
    },
    replay: async (name: string, after: string | undefined, count: number) => {
      calls.push(`replay ${name} ${after} ${count}`)
      return { entries: [], more: false, known: true, lost: undefined, clock: 'e.0-0' }
    }
  } as unknown as SseBroker
  const channel = new ChannelSubscribers('a', {
    broker,
    schedule: ({ name }) => { calls.push(`schedule ${name}`) },
    flush: () => {
      calls.push('flush')
      channel.prepareBatch()
    },
    remove: ({ name }) => { calls.push(`remove ${name}`) }
  })
  const publish = (ms: number, data?: string): void => {
    brokerSubscription.position = `e.${ms}-0`
    listener.onEntry(entryAt(ms, data === undefined ? {} : { data }))
  }
  return { calls, channel, publish, brokerSubscription, confirm: () => confirm(), refuse: (error: Error) => refuse(error), onBreak: () => listener.onBreak() }
}

/** A subscription, and what it has received. */
function recorder (channel: ChannelSubscribers, onDeliver: () => void = () => {}): { subscription: Subscription, received: string[] } {
  const received: string[] = []
  const listener: BatchListener = {
    deliver ({ batch }) {
      received.push(...batch!.entries.map(({ data }) => data!))
      onDeliver()
    },
    onBreak () { received.push('break') }
  }
  return { subscription: new Subscription(channel, listener, { filter: undefined, until: undefined, context: undefined }), received }
}

/** What `FanOut` does at the end of a turn. */
function deliver (channel: ChannelSubscribers): void {
  channel.prepareBatch()
  channel.deliver(DELIVERY)
  channel.batch = undefined
}

t.test('all subscribers share one subscription at the broker, which ends with the last of them', async t => {
  const { calls, channel, confirm } = setup()
  const [first, second] = [recorder(channel), recorder(channel)]
  const added = [channel.add(first.subscription), channel.add(second.subscription)]
  t.equal(channel.size, 2)
  confirm()
  await Promise.all(added)
  channel.remove(first.subscription)
  t.strictSame([channel.size, calls], [1, ['subscribe a']])
  channel.remove(second.subscription)
  await added[0]
  t.strictSame([channel.size, calls], [0, ['subscribe a', 'remove a', 'unsubscribe']])
})

t.test('adding a subscriber waits for the broker, and rejects if it refuses', async t => {
  const { calls, channel, refuse } = setup()
  const { subscription } = recorder(channel)
  const added = channel.add(subscription)
  refuse(new Error('refused'))
  await t.rejects(added, { message: 'refused' })
  channel.remove(subscription)
  await new Promise(setImmediate)
  t.strictSame(calls, ['subscribe a', 'remove a'], 'a refused subscription is not ended')
})

t.test('a subscription that is confirmed after its subscriber has left is ended', async t => {
  const { calls, channel, confirm } = setup()
  const { subscription } = recorder(channel)
  const added = channel.add(subscription)
  channel.remove(subscription)
  confirm()
  await added
  t.strictSame(calls, ['subscribe a', 'remove a', 'unsubscribe'])
})

t.test('delivery is scheduled once per turn', async t => {
  const { calls, channel, publish } = setup()
  const { subscription, received } = recorder(channel)
  channel.add(subscription)
  t.equal(channel.hasPending, false)
  publish(1)
  publish(2)
  t.equal(channel.hasPending, true)
  t.strictSame([channel.newest, received], ['e.2-0', []])
  deliver(channel)
  t.equal(channel.hasPending, false)
  publish(3)
  deliver(channel)
  t.strictSame(received, ['1', '2', '3'])
  t.strictSame(calls, ['subscribe a', 'schedule a', 'schedule a'])
})

t.test('16 KiB of pending entries are delivered at once', async t => {
  const { calls, channel, publish } = setup()
  const size = 16 * 1024 - 'e.1-0'.length
  publish(1, 'x'.repeat(size - 1))
  t.notOk(calls.includes('flush'))
  publish(2, '')
  t.strictSame(calls, ['subscribe a', 'schedule a', 'flush'])
  publish(3, 'x'.repeat(size - 1))
  t.strictSame(calls.slice(3), ['schedule a'], 'delivered entries do not count')
  t.equal(channel.hasPending, true)
})

t.test('subscribers may leave during a delivery', async t => {
  const { channel, publish } = setup()
  const others = [recorder(channel), recorder(channel)]
  const leaving = recorder(channel, () => { for (const { subscription } of [leaving, ...others]) channel.remove(subscription) })
  const last = recorder(channel)
  for (const { subscription } of [others[0]!, leaving, others[1]!, last]) channel.add(subscription)
  publish(1)
  deliver(channel)
  t.strictSame([leaving, last].map(({ received }) => received), [['1'], ['1']])
  t.equal(channel.size, 1)
  publish(2)
  deliver(channel)
  t.strictSame([leaving, last, ...others].map(({ received }) => received), [['1'], ['1', '2'], ['1'], ['1']])
})

t.test('recent entries are read without the broker', async t => {
  const { calls, channel, publish, confirm } = setup()
  const added = channel.add(recorder(channel).subscription)
  confirm()
  await added
  for (const ms of [1, 2, 3]) publish(ms)
  const { entries, more } = await channel.read('e.1-0', 1)
  t.strictSame([entries.map(({ id }) => id), more], [['e.2-0'], true])
  t.notOk(calls.some(call => call.startsWith('replay')))
  await channel.read(undefined, 5)
  await channel.read('other.1-0', 5)
  t.strictSame(calls.slice(-2), ['replay a undefined 5', 'replay a other.1-0 5'])
})

t.test('history that the broker has not delivered yet is read from the broker', async t => {
  const { calls, channel, publish, confirm } = setup()
  const added = channel.add(recorder(channel).subscription)
  confirm()
  await added
  for (const ms of [1, 2]) publish(ms)
  await channel.read('e.1-0', 5, channel.position)
  t.notOk(calls.some(call => call.startsWith('replay')))
  await channel.read('e.1-0', 5, 'e.999-0')
  t.equal(calls.at(-1), 'replay a e.1-0 5')
})

t.test('a break is passed on to all subscribers, and recent entries are forgotten', async t => {
  const { calls, channel, publish, confirm, brokerSubscription, onBreak } = setup()
  const recorders = [recorder(channel), recorder(channel)]
  const added = recorders.map(({ subscription }) => channel.add(subscription))
  confirm()
  await Promise.all(added)
  publish(1)
  deliver(channel)
  brokerSubscription.position = 'f.0-0'
  onBreak()
  t.strictSame(recorders.map(({ received }) => received), [['1', 'break'], ['1', 'break']])
  t.equal(channel.newest, undefined)
  t.equal(channel.position, 'f.0-0')
  t.strictSame((await channel.read('f.0-0', 5)).entries, [])
  await channel.read('e.0-0', 5)
  t.strictSame(calls.filter(call => call.startsWith('replay')), ['replay a e.0-0 5'])
})
