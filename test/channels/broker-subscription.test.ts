import t from 'tap'
import { BrokerSubscription } from '../../plugin/channels/broker-subscription.ts'
import { SseEntry } from '../../plugin/wire/entry.ts'

function setup () {
  const entries: SseEntry[] = []
  const ended: BrokerSubscription[] = []
  const broker = { delivered: 'e.1-0' }
  const subscription = new BrokerSubscription({
    listener: { onEntry: entry => { entries.push(entry) }, onBreak () {} },
    start: broker.delivered,
    delivered: () => broker.delivered,
    unsubscribe: subscription => { ended.push(subscription) }
  })
  return { broker, subscription, entries, ended }
}

t.test('the position is the last delivered entry while other listeners wait for it', async t => {
  const { broker, subscription, entries } = setup()
  t.equal(subscription.position, 'e.1-0')
  const entry = new SseEntry('e.2-0', { data: 'x' })
  subscription.deliver(entry)
  t.strictSame(entries, [entry])
  t.equal(broker.delivered, 'e.1-0')
  t.equal(subscription.position, 'e.2-0')
})

t.test('the position advances with entries of other channels', async t => {
  const { broker, subscription } = setup()
  broker.delivered = 'e.3-0'
  t.equal(subscription.position, 'e.3-0')
  subscription.deliver(new SseEntry('e.4-0', { data: 'x' }))
  broker.delivered = 'e.5-0'
  t.equal(subscription.position, 'e.5-0')
})

t.test('a subscription can be moved to another epoch', async t => {
  const { broker, subscription } = setup()
  subscription.deliver(new SseEntry('e.9-0', { data: 'x' }))
  broker.delivered = 'f.1-0'
  subscription.moveTo('f.1-0')
  t.equal(subscription.position, 'f.1-0')
})

t.test('unsubscribe passes the subscription to its broker, also when called without its object', async t => {
  const { subscription, ended } = setup()
  const { unsubscribe } = subscription
  unsubscribe()
  t.strictSame(ended, [subscription])
})

t.test('a listener that throws or rejects becomes a warning', async t => {
  const warnings = t.capture(process, 'emitWarning')
  const rejects = async (): Promise<void> => { throw new Error('rejected') }
  const throws = (): void => { throw new Error('thrown') }
  for (const listener of [{ onEntry: throws, onBreak: throws }, { onEntry: rejects, onBreak: rejects }]) {
    const subscription = new BrokerSubscription({ listener, start: 'e.1-0', delivered: () => 'e.1-0', unsubscribe: () => {} })
    subscription.deliver(new SseEntry('e.2-0', { data: 'x' }))
    t.equal(subscription.position, 'e.2-0')
    subscription.announceBreak()
  }
  await new Promise(resolve => { setImmediate(resolve) })
  t.match(warnings.args(), [[/^A listener of a broker threw: Error: thrown/], [/thrown/], [/rejected/], [/rejected/]])
})
