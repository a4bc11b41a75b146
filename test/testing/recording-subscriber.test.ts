import t from 'tap'
import { RecordingSubscriber } from '../../plugin/testing/recording-subscriber.ts'
import { SseEntry } from '../../plugin/wire/entry.ts'

t.test('a subscriber records entries and breaks', async t => {
  const subscriber = new RecordingSubscriber('channel', () => {})
  const [first, second] = [new SseEntry('e.1-0', {}), new SseEntry('e.2-0', {})]
  subscriber.onEntry(first)
  subscriber.onEntry(second)
  subscriber.onBreak()
  t.equal(subscriber.channel, 'channel')
  t.strictSame(subscriber.entries, [first, second])
  t.strictSame(subscriber.ids, ['e.1-0', 'e.2-0'])
  t.equal(subscriber.breaks, 1)
})

t.test('a subscriber records an entry before it calls onEntry', async t => {
  const recorded: string[][] = []
  const subscriber: RecordingSubscriber = new RecordingSubscriber('channel', () => { recorded.push(subscriber.ids) })
  subscriber.onEntry(new SseEntry('e.1-0', {}))
  t.strictSame(recorded, [['e.1-0']])
})
