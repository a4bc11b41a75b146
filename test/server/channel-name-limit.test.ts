import t, { type Test } from 'tap'
import { ChannelNameLimit } from '../../server/channel-name-limit.ts'

/** Replaces the clock. @returns a function that advances it by milliseconds */
function stopClock (t: Test): (ms: number) => void {
  let now = 0
  t.intercept(performance, 'now', { value: () => now })
  return ms => { now += ms }
}

const REFUSED = { code: 'TOO_MANY_CHANNELS', statusCode: 503, headers: { 'retry-after': '60' }, message: 'All 2 channels are in use; try again later' }

t.test('a new name is refused at the limit, a name in use is not', async t => {
  const names = new ChannelNameLimit(2)
  names.acquire('a')
  names.acquire('b')
  t.throws(() => names.acquire('c'), REFUSED)
  names.acquire('a')
})

t.test('one client is refused new names at its own limit, and others are not', async t => {
  const advance = stopClock(t)
  const names = new ChannelNameLimit(3, 1)
  const refused = { code: 'TOO_MANY_CHANNELS_PER_CLIENT', statusCode: 429, headers: { 'retry-after': '60' }, message: 'You have 1 channels in use; try again later' }
  names.acquire('a', 'anna')
  names.acquire('a', 'anna')
  t.throws(() => names.acquire('b', 'anna'), refused)
  names.acquire('b', 'ben')
  names.acquire('b', 'anna')
  names.release('a')
  names.release('a', 1_000)
  t.throws(() => names.acquire('c', 'anna'), refused)
  advance(1_000)
  names.acquire('c', 'anna')
  names.acquire('d', 'carl')
  t.throws(() => names.acquire('e', 'dora'), { code: 'TOO_MANY_CHANNELS', statusCode: 503 })
  names.release('c')
  names.acquire('e', 'anna')
})

t.test('a client has its whole limit again after it has released several names', async () => {
  const names = new ChannelNameLimit(10, 2)
  for (let round = 0; round < 3; round++) {
    names.acquire('a', 'anna')
    names.acquire('b', 'anna')
    names.release('a')
    names.release('b')
  }
})

t.test('a name is free after its last holder has released it', async t => {
  const names = new ChannelNameLimit(2)
  for (const name of ['a', 'a', 'b']) names.acquire(name)
  names.release('a')
  t.throws(() => names.acquire('c'), REFUSED)
  names.release('a')
  names.acquire('c')
})

t.test('a released name stays in use for the requested time', async t => {
  const advance = stopClock(t)
  const names = new ChannelNameLimit(2)
  names.acquire('a')
  names.acquire('b')
  names.release('a', 1_000)
  advance(999)
  t.throws(() => names.acquire('c'), REFUSED)
  advance(1)
  names.acquire('c')
})

t.test('a later release does not shorten the time', async t => {
  const advance = stopClock(t)
  const names = new ChannelNameLimit(2)
  names.acquire('a')
  names.acquire('b')
  names.release('a', 1_000)
  names.acquire('a')
  names.release('a')
  advance(999)
  t.throws(() => names.acquire('c'), REFUSED)
})

t.test('a name with a holder stays in use after its time has passed', async t => {
  const advance = stopClock(t)
  const names = new ChannelNameLimit(2)
  names.acquire('a')
  names.acquire('a')
  names.acquire('b')
  names.release('a', 1_000)
  advance(2_000)
  t.throws(() => names.acquire('c'), REFUSED)
})
