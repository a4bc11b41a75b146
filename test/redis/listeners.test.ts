import t from 'tap'
import { BrokerSubscription } from '../../plugin/channels/broker-subscription.ts'
import { SubscribedChannel } from '../../plugin/redis/subscribed-channel.ts'
import { Listeners } from '../../plugin/redis/listeners.ts'
import { SseEntry } from '../../plugin/wire/entry.ts'
import { Recorder } from '../fixtures/recorder.ts'

/** Listeners of two channels: `a` has two and has joined, `b` has one and has not. */
function setup () {
  const seen: string[] = []
  const listeners = new Listeners({ observe: id => { seen.push(id) } })
  const [a, b] = [new SubscribedChannel('a', 'live:a'), new SubscribedChannel('b', 'live:b')]
  const recorders = [new Recorder(), new Recorder(), new Recorder()] as const
  for (const channel of [a, b]) listeners.addChannel(channel)
  for (const [recorder, channel] of [[recorders[0], a], [recorders[1], a], [recorders[2], b]] as const) {
    channel.subscriptions.add(new BrokerSubscription({ listener: recorder, start: 'e.0-0', delivered: () => 'e.0-0', unsubscribe () {} }))
  }
  a.moveTo('e.1-0')
  return { listeners, a, b, recorders, seen }
}

t.test('an entry is delivered to every listener of its channel', async t => {
  const { listeners, a, recorders } = setup()
  listeners.deliver(a, new SseEntry('e.2-0', { data: 'x' }))
  t.strictSame(recorders.map(({ ids }) => ids), [['e.2-0'], ['e.2-0'], []])
  t.equal(a.position, 'e.2-0')
  t.strictSame([...a.subscriptions].map(({ position }) => position), ['e.2-0', 'e.2-0'])
})

t.test('a new epoch breaks the channels that have joined', async t => {
  const { listeners, a, recorders, seen } = setup()
  t.strictSame([listeners.epoch, listeners.position], ['', ''])
  listeners.startEpoch('f.1-0')
  t.strictSame([listeners.epoch, listeners.position, a.position], ['f', 'f.1-0', 'f.1-0'])
  t.strictSame(recorders.map(({ breaks }) => breaks), [1, 1, 0])
  listeners.advance('f.3-0')
  listeners.advance('f.2-0')
  t.equal(listeners.position, 'f.3-0', 'it never goes back')
  t.strictSame(seen, ['f.3-0', 'f.2-0'])
})

t.test('after it has closed, no listener is called and subscriptions that have not joined are rejected', async t => {
  const { listeners, a, b, recorders } = setup()
  const error = new Error('closed')
  listeners.close(error)
  listeners.deliver(a, new SseEntry('e.2-0', { data: 'x' }))
  listeners.announceBreak([a], 'e.3-0')
  t.strictSame(recorders.map(({ ids, breaks }) => [ids, breaks]), [[[], 0], [[], 0], [[], 0]])
  t.equal(await b.joined.promise.catch(error => error), error)
  t.equal(listeners.channels.size, 0)
})

t.test('a channel that was removed is not followed any more', async t => {
  const { listeners, a } = setup()
  t.strictSame(listeners.joinedChannels, [a])
  listeners.removeChannel('live:a')
  t.strictSame([...listeners.channels.keys()], ['live:b'])
  t.strictSame(listeners.joinedChannels, [])
})
