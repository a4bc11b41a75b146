import t from 'tap'
import { BrokerSubscription } from '../../plugin/channels/broker-subscription.ts'
import { SubscribedChannel } from '../../plugin/redis/subscribed-channel.ts'
import { Recorder } from '../fixtures/recorder.ts'

t.test('a channel moves to an id together with its listeners', async t => {
  const channel = new SubscribedChannel('a', 'live:a')
  t.equal(channel.position, undefined)
  const subscriptions = ['e.0-0', 'e.1-0'].map(start => new BrokerSubscription({ listener: new Recorder(), start, delivered: () => 'e.0-0', unsubscribe () {} }))
  for (const subscription of subscriptions) channel.subscriptions.add(subscription)
  channel.moveTo('e.2-0')
  t.strictSame([channel.position, ...subscriptions.map(({ position }) => position)], ['e.2-0', 'e.2-0', 'e.2-0'])
})
