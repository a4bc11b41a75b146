import t from 'tap'
import { SubscribeRequest } from '../../plugin/channels/subscribe-request.ts'
import type { Subscription } from '../../plugin/channels/subscription.ts'
import { FROM_START } from '../fixtures/subscriber.ts'
import { FakeChannel } from '../fixtures/subscription.ts'

/** A channel that records who is added and removed. */
class RecordingChannel extends FakeChannel {
  readonly added: Subscription[] = []
  readonly removed: Subscription[] = []
  readonly #ready: Promise<void>

  constructor (name: string, ready: Promise<void>) {
    super(name)
    this.#ready = ready
  }

  async add (subscription: Subscription): Promise<void> {
    this.added.push(subscription)
    await this.#ready
  }

  remove (subscription: Subscription): void {
    this.removed.push(subscription)
  }
}

t.test('a request is ready once all channels are', async t => {
  let resolve = (): void => {}
  const channels = [new RecordingChannel('a', Promise.resolve()), new RecordingChannel('b', new Promise(_resolve => { resolve = _resolve }))]
  const subscriptions = channels.map(channel => channel.subscribe())
  const request = new SubscribeRequest(subscriptions, FROM_START)
  t.strictSame(channels.map(({ added }) => added.length), [1, 1], 'all channels are subscribed to at once')
  let ready = false
  const done = request.ready.then(() => { ready = true })
  await new Promise(setImmediate)
  t.equal(ready, false)
  resolve()
  await done
  t.equal(ready, true)
  t.strictSame(channels.map(({ removed }) => removed.length), [0, 0])
})

t.test('a failed request ends its subscriptions and rejects', async t => {
  const channels = [new RecordingChannel('a', Promise.resolve()), new RecordingChannel('b', Promise.reject(new Error('refused')))]
  const subscriptions = channels.map(channel => channel.subscribe())
  const request = new SubscribeRequest(subscriptions, FROM_START)
  await t.rejects(request.ready, { message: 'refused' })
  request.fail(new Error('failed'))
  t.strictSame(channels.map(({ removed }) => removed), subscriptions.map(subscription => [subscription]))
  await t.rejects(request.done.promise, { message: 'failed' })
})

t.test('rejections that nobody handles do not crash the process', async () => {
  const channel = new RecordingChannel('a', Promise.reject(new Error('refused')))
  const request = new SubscribeRequest([channel.subscribe()], FROM_START)
  request.fail(new Error('failed'))
  await new Promise(setImmediate)
})
