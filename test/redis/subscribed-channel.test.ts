import t from 'tap'
import { SubscribedChannel } from '../../plugin/redis/subscribed-channel.ts'
import { Recorder } from '../fixtures/recorder.ts'

t.test('a channel and all its listeners continue after an id', async t => {
  const channel = new SubscribedChannel('a', 'live:a')
  t.equal(channel.position, undefined)
  const subscriptions = [{ listener: new Recorder(), position: '' }, { listener: new Recorder(), position: 'e.1-0' }]
  for (const subscription of subscriptions) channel.subscriptions.add(subscription)
  channel.continueAfter('e.2-0')
  t.strictSame([channel.position, ...subscriptions.map(({ position }) => position)], ['e.2-0', 'e.2-0', 'e.2-0'])
})
