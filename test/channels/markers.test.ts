import t from 'tap'
import { readHistory, type HistorySlice } from '../../plugin/channels/history-reader.ts'
import { encodeMarker, lossesAfter, markerId, NO_LOSSES } from '../../plugin/channels/markers.ts'
import { FakeChannel } from '../fixtures/subscription.ts'

/** The history of channels after `e.5-0`. */
async function read (...channels: FakeChannel[]): Promise<HistorySlice> {
  return await readHistory(channels.map(channel => channel.subscribe()), 'e.5-0')
}

/** A channel whose history has lost entries. */
function channelWithout (name: string, lost: string, times: number[]): FakeChannel {
  return Object.assign(new FakeChannel(name, times), { lost })
}

t.test('a marker has the type of what the client has missed', async t => {
  t.equal(encodeMarker(NO_LOSSES, 'e.1-0', false), 'id:e.1-0\nevent:sse-ready\ndata:{}\n\n')
  const gaps = [{ channel: 'a', from: 'e.1-0', to: 'e.2-0' }]
  t.equal(encodeMarker({ reset: false, gaps, channels: ['a'] }, 'e.2-0', true), `id: e.2-0\nevent: sse-gap\ndata: ${JSON.stringify({ gaps })}\n\n`)
  t.equal(encodeMarker({ reset: true, gaps: [], channels: ['a'] }, 'e.0-0', false), 'id:e.0-0\nevent:sse-reset\ndata:{}\n\n')
})

t.test('a reset includes all gaps', async t => {
  t.match(encodeMarker({ reset: true, gaps: [{ channel: 'a', from: 'e.1-0', to: 'e.2-0' }], channels: ['a'] }, 'e.0-0', false), /event:sse-reset\ndata:{}\n/)
})

t.test('there is a gap for each channel whose history has lost entries', async t => {
  const { pages } = await read(channelWithout('a', 'e.6-0', [7]), new FakeChannel('b', [8]), channelWithout('c', 'e.9-0', []))
  t.strictSame(lossesAfter('e.5-0', pages), {
    reset: false,
    gaps: [{ channel: 'a', from: 'e.5-0', to: 'e.6-0' }, { channel: 'c', from: 'e.5-0', to: 'e.9-0' }],
    channels: ['a', 'c']
  })
})

t.test('a client that starts at the beginning has no gaps', async t => {
  const { pages } = await read(channelWithout('a', 'e.6-0', [7]))
  t.strictSame(lossesAfter(undefined, pages), NO_LOSSES)
})

t.test('a client that starts at the beginning has a gap if the history is damaged', async t => {
  const damaged = Object.assign(channelWithout('a', 'e.6-0', [7]), { damaged: true })
  const { pages } = await read(damaged, channelWithout('b', 'e.7-0', [8]))
  t.strictSame(lossesAfter(undefined, pages), { reset: false, gaps: [{ channel: 'a', from: 'e.0-0', to: 'e.6-0' }], channels: ['a'] })
})

t.test('an unknown id is a reset, without a gap in that channel', async t => {
  const unknown = Object.assign(channelWithout('a', 'e.6-0', [7]), { known: false })
  const { pages } = await read(unknown)
  t.strictSame(lossesAfter('other.5-0', pages), { reset: true, gaps: [], channels: ['a'] })
})

t.test('the id of a marker is where the client is, if nothing is missing', async t => {
  t.equal(markerId('e.5-0', false, await read(new FakeChannel('a', [7]))), 'e.5-0')
})

t.test('the id of a marker is the end of the history, if it has no entries', async t => {
  const slice = await read(new FakeChannel('a'))
  t.equal(markerId('e.5-0', false, slice), 'e.1000-0')
  t.equal(markerId(undefined, false, slice), 'e.1000-0')
  t.equal(markerId('other.5-0', true, slice), 'e.1000-0')
})

t.test('the id of a marker is before all entries after a reset, and for a client that starts at the beginning', async t => {
  const slice = await read(new FakeChannel('a', [7]))
  t.equal(markerId('other.5-0', true, slice), 'e.0-0')
  t.equal(markerId(undefined, false, slice), 'e.0-0')
})

t.test('the id of a marker is the last lost entry before the first one that is left', async t => {
  const slice = await read(channelWithout('a', 'e.6-0', [10]), channelWithout('b', 'e.7-0', [9]), channelWithout('c', 'e.11-0', [12]))
  t.equal(markerId('e.5-0', false, slice), 'e.7-0')
})
