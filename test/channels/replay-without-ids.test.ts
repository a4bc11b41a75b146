import t, { type Test } from 'tap'
import { readPages } from '../../plugin/channels/history-reader.ts'
import { replayWithoutIds } from '../../plugin/channels/replay-without-ids.ts'
import type { SubscribedStream } from '../../plugin/channels/subscribed-stream.ts'
import type { Subscription } from '../../plugin/channels/subscription.ts'
import { decode } from '../fixtures/client.ts'
import { FakeChannel } from '../fixtures/subscription.ts'

const END = 'e.1000-0'

/** A stream that records its text. @param room what `put` returns */
function recordingStream (room: () => Promise<void> | undefined = () => undefined) {
  const stream = { spaceAfterColon: false, text: '', events: 0 }
  const put = (text: string, events: number): Promise<void> | undefined => {
    stream.text += text
    stream.events += events
    return room()
  }
  return Object.assign(stream, { put }) as typeof stream & SubscribedStream
}

async function replay (t: Test, end: string, ...subscriptions: Subscription[]): Promise<{ data: string[], ended: boolean }> {
  const stream = recordingStream()
  const ended = await replayWithoutIds(stream, await readPages(subscriptions, undefined), end)
  const { events } = decode(stream.text)
  t.ok(events.every(({ id }) => id === undefined), 'events have no ids')
  t.equal(stream.events, events.length)
  return { data: events.map(({ data }) => data), ended }
}

t.test('the history is replayed page by page, one channel after the other', async t => {
  const [a, b] = [new FakeChannel('a', [1, 3, 5, 7, 9]), new FakeChannel('b', [2, 4])]
  a.pageSize = 2
  t.strictSame(await replay(t, END, a.subscribe(), b.subscribe()), { data: ['1', '3', '5', '7', '9', '2', '4'], ended: false })
  t.strictSame(a.reads, [undefined, 'e.3-0', 'e.7-0'])
})

t.test('the replay of each channel ends at the position of the client', async t => {
  const [a, b] = [new FakeChannel('a', [1, 3, 5]), new FakeChannel('b', [2, 4])]
  t.strictSame(await replay(t, 'e.3-0', a.subscribe(), b.subscribe()), { data: ['1', '3', '2'], ended: false })
})

t.test('unwanted entries are left out', async t => {
  const a = new FakeChannel('a', [1, 2, 3])
  t.strictSame(await replay(t, END, a.subscribe({ filter: ({ data }) => data !== '2', until: ({ data }) => data === '2' })), { data: ['1', '3'], ended: false })
})

t.test('an entry may end the stream; nothing is sent after it', async t => {
  const [a, b] = [new FakeChannel('a', [1, 2, 3]), new FakeChannel('b', [4])]
  t.strictSame(await replay(t, END, a.subscribe({ until: ({ data }) => data === '2' }), b.subscribe()), { data: ['1', '2'], ended: true })
})

t.test('the replay waits for room', async t => {
  const pending: Array<() => void> = []
  const stream = recordingStream(() => new Promise(resolve => { pending.push(resolve) }))
  const done = replayWithoutIds(stream, await readPages([new FakeChannel('a', [1, 2]).subscribe()], undefined), END)
  t.equal(stream.events, 1)
  pending.pop()!()
  await new Promise(setImmediate)
  t.equal(stream.events, 2)
  pending.pop()!()
  t.equal(await done, false)
})

t.test('the replay rejects if the stream ends', async t => {
  const stream = recordingStream(async () => { throw new Error('closed') })
  const pages = await readPages([new FakeChannel('a', [1, 2]).subscribe()], undefined)
  await t.rejects(replayWithoutIds(stream, pages, END), { message: 'closed' })
  t.equal(stream.events, 1)
})
