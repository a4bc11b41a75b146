import t, { type Test } from 'tap'
import type { SseBroker, SseBrokerListener } from '../../plugin/channels/broker.ts'
import { compareIds } from '../../plugin/wire/event-id.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { FanOut } from '../../plugin/channels/fan-out.ts'
import type { SseFilter } from '../../plugin/channels/options.ts'
import { FakeStream, HISTORY, publish, turns } from '../fixtures/subscriber.ts'
import { DelayedBroker } from '../fixtures/delayed-broker.ts'
import { HeldBroker } from '../fixtures/held-broker.ts'

interface Setup {
  broker: SseBroker
  fanOut: FanOut
  stream: FakeStream
  /** Creates a stream of another client. */
  newStream: () => FakeStream
}

function setup (broker: SseBroker = memoryBroker()): Setup {
  const fanOut = new FanOut(broker)
  return { broker, fanOut, stream: new FakeStream(fanOut), newStream: () => new FakeStream(fanOut) }
}

/** The texts from one number to another. */
const texts = (from: number, to: number): string[] => Array.from({ length: to - from + 1 }, (_, index) => String(from + index))

/** A filter that ends the subscription of a stream to the channel `a`, and selects the event. */
const unsubscribing = (stream: FakeStream): SseFilter => () => {
  stream.subscriber.unsubscribe(['a'])
  return true
}

function assertIdsIncrease (t: Test, stream: FakeStream): void {
  const ids = stream.decoded().events.flatMap(({ id }) => id ?? [])
  t.ok(ids.every((id, index) => index === 0 || compareIds(ids[index - 1]!, id) <= 0), 'ids increase')
}

t.test('a new client starts now, or at the beginning of the history', async t => {
  const { broker, stream, newStream } = setup()
  const late = newStream()
  await publish(broker, 'a', ['1', '2'])
  await stream.subscribe('a', { now: true })
  await late.subscribe('a')
  await publish(broker, 'a', ['3', '4'])
  await turns()
  t.strictSame(stream.data(), ['3', '4'])
  t.strictSame(late.data(), ['1', '2', '3', '4'])
  t.strictSame([...stream.markers(), ...late.markers()], ['sse-ready', 'sse-ready'])
  t.equal(stream.decoded().events[0]!.event, 'sse-ready', 'the marker is first')
  t.equal(stream.events, 2, 'the marker does not count')
})

t.test('a client that has received only a marker misses nothing when it reconnects', async t => {
  const { broker, stream, newStream } = setup()
  await publish(broker, 'a', ['1'])
  await stream.subscribe('a', { now: true })
  const id = stream.lastId
  stream.close()
  await publish(broker, 'a', ['2', '3'])
  const reconnected = newStream()
  await reconnected.subscribe('a', { after: id })
  await turns()
  t.strictSame(reconnected.data(), ['2', '3'])
  t.strictSame(reconnected.markers(), ['sse-ready'])
})

t.test('a client that reconnects receives what it missed, and nothing twice', async t => {
  const { broker, newStream } = setup()
  const ids = await publish(broker, 'a', texts(1, 5))
  for (const [index, id] of ids.entries()) {
    const stream = newStream()
    await stream.subscribe('a', { after: id })
    await turns()
    t.strictSame(stream.data(), texts(1, 5).slice(index + 1))
    t.strictSame(stream.markers(), ['sse-ready'])
  }
})

t.test('lost history is reported, and all that is left follows', async t => {
  const { broker, stream, newStream } = setup()
  const ids = await publish(broker, 'a', texts(1, 5), { ...HISTORY, count: 2 })
  await stream.subscribe('a', { after: ids[0] })
  await turns()
  t.strictSame(stream.markers(), ['sse-gap'])
  t.strictSame(stream.gaps, [[['a'], false]])
  const [gap] = stream.decoded().events
  t.strictSame(JSON.parse(gap!.data), { gaps: [{ channel: 'a', from: ids[0], to: ids[2] }] })
  t.strictSame(stream.data(), ['4', '5'])
  const reconnected = newStream()
  await reconnected.subscribe('a', { after: gap!.id })
  await turns()
  t.strictSame(reconnected.markers(), ['sse-ready'], 'a reported gap is not reported again')
  t.strictSame(reconnected.data(), ['4', '5'])
  const atEdge = newStream()
  await atEdge.subscribe('a', { after: ids[2] })
  await turns()
  t.strictSame(atEdge.markers(), ['sse-ready'], 'a client at the last lost id has missed nothing')
})

t.test('a gap with no history after it is reported', async t => {
  const { broker, stream } = setup()
  const ids = await publish(broker, 'a', texts(1, 3), { ...HISTORY, count: 0 })
  await stream.subscribe('a', { after: ids[0] })
  await publish(broker, 'a', ['4'], { ...HISTORY, count: 0 })
  await turns()
  t.strictSame(stream.markers(), ['sse-gap'])
  t.equal(stream.decoded().events[0]!.id, ids[2])
  t.strictSame(stream.data(), ['4'])
})

t.test('an id from another log is a reset, and the whole history follows', async t => {
  const { broker, newStream } = setup()
  const [first] = await publish(broker, 'a', ['1', '2'])
  const [epoch] = first!.split('.')
  for (const after of ['7', 'x'.repeat(1_024), 'é', 'now', `other.${first!.split('.')[1]}`, `${epoch}.99999999999999-0`, `${epoch}.-1-0`]) {
    const stream = newStream()
    await stream.subscribe('a', { after })
    await publish(broker, 'b', ['x'])
    await turns()
    t.strictSame(stream.markers(), ['sse-reset'], after)
    t.strictSame(stream.data(), ['1', '2'])
    assertIdsIncrease(t, stream)
    const reconnected = newStream()
    await reconnected.subscribe('a', { after: stream.decoded().events[0]!.id })
    await turns()
    t.strictSame(reconnected.markers(), ['sse-ready'])
    t.strictSame(reconnected.data(), ['1', '2'], 'a client that has received only the marker receives everything')
  }
})

t.test('one id resumes several channels', async t => {
  const { broker, stream, newStream } = setup()
  for (const text of texts(1, 20)) await publish(broker, Number(text) % 3 === 0 ? 'b' : 'a', [text])
  await stream.subscribe(['a', 'b', 'a'])
  await Promise.all(texts(21, 40).map(async text => await publish(broker, Number(text) % 3 === 0 ? 'b' : 'a', [text])))
  await turns()
  t.strictSame(stream.data(), texts(1, 40))
  t.strictSame(stream.markers(), ['sse-ready'])
  assertIdsIncrease(t, stream)
  for (const { id, data } of stream.decoded().events.slice(1)) {
    const reconnected = newStream()
    await reconnected.subscribe(['b', 'a'], { after: id })
    await turns()
    t.strictSame(reconnected.data(), texts(Number(data) + 1, 40))
  }
})

t.test('a gap in one channel does not lose events of another', async t => {
  const { broker, stream, newStream } = setup()
  const [from] = await publish(broker, 'a', ['a1'])
  await publish(broker, 'b', ['b2'])
  const [, to] = await publish(broker, 'a', ['a3', 'a4', 'a5'], { ...HISTORY, count: 1 })
  await stream.subscribe(['a', 'b'], { after: from })
  await turns()
  const [gap] = stream.decoded().events
  t.strictSame(JSON.parse(gap!.data), { gaps: [{ channel: 'a', from, to }] })
  t.strictSame(stream.data(), ['b2', 'a5'])
  const reconnected = newStream()
  await reconnected.subscribe(['a', 'b'], { after: gap!.id })
  await turns()
  t.strictSame(reconnected.data(), ['b2', 'a5'])
})

t.test('a channel added later replays its history without ids, and delivers new events in order', async t => {
  const { broker, stream } = setup()
  await publish(broker, 'b', texts(1, 600))
  await stream.subscribe('a')
  await publish(broker, 'a', ['a1'])
  await turns()
  const before = stream.lastId
  await publish(broker, 'b', ['b1'])
  await stream.subscribe('b')
  await publish(broker, 'b', ['b2'])
  await publish(broker, 'a', ['a2'])
  await turns(10)
  t.strictSame(stream.data(), ['a1', ...texts(1, 600), 'b1', 'b2', 'a2'])
  t.strictSame(stream.markers(), ['sse-ready', 'sse-ready'])
  const withoutId = stream.text.split('\n\n').filter(frame => frame !== '' && !frame.startsWith('id:'))
  t.equal(withoutId.length, 600)
  t.ok(compareIds(before, stream.lastId) < 0)
  assertIdsIncrease(t, stream)
})

t.test('a channel added later can start now', async t => {
  const { broker, stream } = setup()
  await stream.subscribe('a', { now: true })
  await publish(broker, 'b', ['b1'])
  await stream.subscribe('b', { now: true })
  await publish(broker, 'b', ['b2'])
  await publish(broker, 'a', ['a1'])
  await turns()
  t.strictSame(stream.data(), ['b2', 'a1'])
  t.strictSame(stream.subscriber.channels, ['a', 'b'])
  await stream.subscribe(['a', 'b'], { now: true })
  await publish(broker, 'a', ['a2'])
  await turns()
  t.strictSame(stream.data(), ['b2', 'a1', 'a2'], 'channels that it is already subscribed to are ignored')
})

t.test('concurrent subscribe() calls are processed in order', async t => {
  const { broker, stream } = setup()
  await publish(broker, 'a', ['a1'])
  await publish(broker, 'b', ['b1'])
  await Promise.all([stream.subscribe('a'), stream.subscribe('b'), stream.subscribe('c')])
  await publish(broker, 'c', ['c1'])
  await turns()
  t.strictSame(stream.data(), ['a1', 'b1', 'c1'])
  t.strictSame(stream.markers(), ['sse-ready', 'sse-ready', 'sse-ready'])
})

t.test('channels of different partitions are rejected before anything is subscribed to or sent', async t => {
  const broker = memoryBroker()
  broker.partition = name => name.charAt(0)
  const { fanOut, stream, newStream } = setup(broker)
  const REJECTED = { code: 'SSE_ERR_PARTITION', statusCode: 500, message: /different partitions\. .* \{tag\}/, detail: 'received "a1" and "b1"' }
  await t.rejects(stream.subscribe(['a1', 'a2', 'b1', 'b2']), REJECTED)
  t.strictSame([[...fanOut], stream.text], [[], ''])

  const other = newStream()
  const first = other.subscribe(['a1', 'a2'])
  await t.rejects(other.subscribe(['a3', 'b1']), REJECTED, 'also while the first request is pending')
  await first
  await t.rejects(other.subscribe('b1'), REJECTED)
  await other.subscribe('a3')
  t.strictSame([other.subscriber.channels, other.markers()], [['a1', 'a2', 'a3'], ['sse-ready', 'sse-ready']])
  t.strictSame([...fanOut].map(({ name }) => name), ['a1', 'a2', 'a3'])
  await publish(broker, 'a2', ['x'])
  await turns()
  t.strictSame(other.data(), ['x'])
})

t.test('a channel added later reports a gap or an unknown id', async t => {
  const { broker, stream, newStream } = setup()
  const ids = await publish(broker, 'b', ['1', '2', '3'], { ...HISTORY, count: 1 })
  await stream.subscribe('a')
  await stream.subscribe('b', { after: ids[0] })
  await turns()
  t.strictSame(stream.markers(), ['sse-ready', 'sse-gap'])
  t.strictSame(stream.data(), ['3'])
  const foreign = newStream()
  await foreign.subscribe('a')
  await foreign.subscribe('b', { after: 'foreign' })
  t.strictSame(foreign.markers(), ['sse-ready', 'sse-reset'])
})

t.test('a filtered subscriber receives what it wants, and its position advances', async t => {
  const { broker, stream, newStream } = setup()
  await publish(broker, 'a', texts(1, 6))
  await stream.subscribe('a', { filter: ({ data }, channel) => channel === 'a' && Number(data) % 2 === 0 })
  t.equal(stream.subscriber.takeUnsentPosition(), undefined, 'not while it catches up')
  await turns()
  t.strictSame(stream.data(), ['2', '4', '6'])
  await publish(broker, 'a', ['7'])
  t.equal(stream.subscriber.takeUnsentPosition(), undefined, 'not while entries are pending')
  await turns()
  const [, last] = await publish(broker, 'a', ['8', '9'])
  await turns()
  t.strictSame(stream.data(), ['2', '4', '6', '8'])
  t.equal(stream.subscriber.takeUnsentPosition(), last)
  t.equal(stream.subscriber.takeUnsentPosition(), undefined, 'only once')
  stream.close()
  await publish(broker, 'a', texts(10, 12))
  const reconnected = newStream()
  await reconnected.subscribe('a', { after: last })
  await turns()
  t.strictSame(reconnected.data(), ['10', '11', '12'])
})

t.test('the position of a quiet subscriber advances with other channels', async t => {
  const { broker, stream } = setup()
  await stream.subscribe(['a', 'c'], { now: true })
  await turns()
  const [id] = await publish(broker, 'b', ['1'])
  t.equal(stream.subscriber.takeUnsentPosition(), id)
})

t.test('`until` ends a stream', async t => {
  const last = ({ data }: { data?: string | undefined }): boolean => data === 'end'

  t.test('after a live event, while other streams continue', async t => {
    const { broker, stream, newStream } = setup()
    const other = newStream()
    await other.subscribe('a')
    await stream.subscribe('a', { until: last })
    await publish(broker, 'a', ['1'])
    await turns()
    t.equal(stream.completed, false)
    await publish(broker, 'a', ['2', 'end', '3'])
    await turns()
    t.strictSame(stream.data(), ['1', '2', 'end'], 'later events are not sent')
    t.equal(stream.completed, true)
    t.strictSame(other.data(), ['1', '2', 'end', '3'])
  })

  t.test('after the last event of a turn', async t => {
    const { broker, stream } = setup()
    await stream.subscribe(['a', 'b'], { until: last })
    await publish(broker, 'a', ['1'])
    await publish(broker, 'b', ['end'])
    await turns()
    t.strictSame([stream.data(), stream.completed], [['1', 'end'], true])
  })

  t.test('in the history', async t => {
    const { broker, stream } = setup()
    await publish(broker, 'a', ['1', 'end', '3'])
    await stream.subscribe('a', { until: last })
    await turns()
    t.strictSame([stream.data(), stream.completed], [['1', 'end'], true])
  })

  t.test('in the history of a channel added later', async t => {
    const { broker, stream } = setup()
    await publish(broker, 'b', ['1', 'end', '3'])
    await stream.subscribe('a')
    await stream.subscribe('b', { until: last, filter: ({ data }) => data !== '1' }).catch(() => {})
    await turns()
    t.strictSame([stream.data(), stream.completed], [['end'], true])
  })

  t.test('after events that it had no room for', async t => {
    for (const overflow of ['close', 'latest'] as const) {
      const { broker, stream } = setup()
      stream.overflow = overflow
      await stream.subscribe('a', { until: last })
      stream.fill()
      await publish(broker, 'a', ['1', 'end', '3'])
      await turns()
      t.equal(stream.completed, false)
      stream.drain()
      await turns()
      t.strictSame([stream.data(), stream.completed], [overflow === 'close' ? ['1', 'end'] : ['end'], true])
    }
  })

  t.test('but not after an event that the filter rejects', async t => {
    const { broker, stream } = setup()
    await publish(broker, 'a', ['end'])
    await stream.subscribe('a', { until: last, filter: entry => !last(entry) })
    await publish(broker, 'a', ['1', 'end', '2'])
    await turns()
    t.strictSame([stream.data(), stream.completed], [['1', '2'], false])
  })
})

t.test('a filter that throws ends only its own stream', async t => {
  const { broker, stream, newStream } = setup()
  const filter = ({ data }: { data: string | undefined }): boolean => {
    if (data === '2') throw new Error('thrown by the filter')
    return true
  }
  const others = [newStream(), newStream()]
  await others[0]!.subscribe('a')
  await stream.subscribe('a', { filter })
  await others[1]!.subscribe('a')
  await publish(broker, 'a', ['1'])
  await turns()
  await publish(broker, 'a', ['2', '3'])
  await turns()
  t.match(stream.error, { message: 'thrown by the filter' })
  t.strictSame(stream.data(), ['1'])
  for (const other of others) t.strictSame(other.data(), ['1', '2', '3'])
  const replaying = newStream()
  await replaying.subscribe('a', { filter }).catch(() => {})
  await turns()
  t.match(replaying.error, { message: 'thrown by the filter' })
})

t.test('a filtered subscriber that wants a whole batch shares its text', async t => {
  const { broker, stream } = setup()
  await stream.subscribe(['a', 'b'], { filter: () => true })
  const before = stream.shared
  await publish(broker, 'a', ['1', '2'])
  await turns()
  t.equal(stream.shared, before + 1)
  await Promise.all([publish(broker, 'a', ['3']), publish(broker, 'b', ['4']), publish(broker, 'a', ['5'])])
  await turns()
  t.strictSame(stream.data(), texts(1, 5))
})

t.test('a stream without room is skipped, and catches up once it has room', async t => {
  const { broker, stream, newStream } = setup()
  const other = newStream()
  await stream.subscribe('a')
  await other.subscribe('a')
  await turns()
  stream.fill()
  await publish(broker, 'a', texts(1, 700))
  await turns()
  t.strictSame(stream.data(), [])
  t.strictSame(other.data(), texts(1, 700), 'other streams are not affected')
  stream.drain()
  await turns(10)
  t.strictSame(stream.data(), texts(1, 700))
  await publish(broker, 'a', ['701'])
  await turns()
  t.equal(stream.data().length, 701, 'and it is live again')
  assertIdsIncrease(t, stream)
})

t.test('a replay pauses while there is no room', async t => {
  const { broker, stream } = setup()
  await publish(broker, 'a', texts(1, 700))
  stream.fill()
  stream.subscribe('a').catch(() => {})
  await turns()
  t.equal(stream.text, '')
  for (let taken = 0; taken < 700; taken++) {
    stream.drain()
    stream.fill()
    await turns(2)
    t.ok(stream.data().length <= taken + 1)
  }
  stream.drain()
  await turns(20)
  t.strictSame(stream.data(), texts(1, 700))
})

t.test('when the history has lost what a slow client missed', async t => {
  const fallBehind = async (overflow: FakeStream['overflow']): Promise<Setup> => {
    const created = setup()
    const { broker, stream } = created
    stream.overflow = overflow
    await stream.subscribe('a', { now: true })
    await publish(broker, 'a', ['1'])
    await turns()
    stream.fill()
    // More than the process keeps in memory.
    await publish(broker, 'a', texts(2, 1_000), { ...HISTORY, count: 3 })
    stream.drain()
    await turns(20)
    return created
  }

  t.test('`close` ends the stream, and the client receives a gap when it reconnects', async t => {
    const { stream, newStream } = await fallBehind('close')
    t.ok(stream.closedAsSlow)
    t.strictSame(stream.data(), ['1'])
    const reconnected = newStream()
    await reconnected.subscribe('a', { after: stream.lastId })
    await turns()
    t.strictSame(reconnected.markers(), ['sse-gap'])
    t.strictSame(reconnected.data(), ['998', '999', '1000'])
  })

  t.test('`drop` reports a gap at once', async t => {
    const { broker, stream } = await fallBehind('drop')
    t.strictSame(stream.markers(), ['sse-ready', 'sse-gap'])
    t.strictSame(stream.data(), ['1', '998', '999', '1000'])
    await publish(broker, 'a', ['1001'])
    await turns()
    t.equal(stream.data().at(-1), '1001')
    assertIdsIncrease(t, stream)
  })

  t.test('`latest` reports a gap and sends the latest events', async t => {
    const { stream } = await fallBehind('latest')
    t.strictSame(stream.markers(), ['sse-ready', 'sse-gap'])
    t.strictSame(stream.data(), ['1', '1000'])
  })
})

t.test('with `latest`, a slow client receives the latest event of each key, in the order of ids', async t => {
  const { broker, stream } = setup()
  stream.overflow = 'latest'
  const price = async (symbol: string, data: string): Promise<string> => (await broker.publish('a', { data, event: 'price', key: symbol }, { history: HISTORY })).id
  await price('X', 'x0')
  await stream.subscribe('a')
  await turns()
  stream.fill()
  for (let step = 1; step <= 300; step++) {
    await price('X', `x${step}`)
    await price('Y', `y${step}`)
    if (step === 7) await price('Z', 'z7')
    if (step === 5) await publish(broker, 'a', ['without a key', 'without a key either'])
  }
  stream.drain()
  await turns(10)
  t.strictSame(stream.data(), ['x0', 'without a key either', 'z7', 'x300', 'y300'])
  assertIdsIncrease(t, stream)
  await price('X', 'x301')
  await turns()
  t.equal(stream.data().at(-1), 'x301')
})

t.test('with `latest`, the filter is applied before the latest event is chosen', async t => {
  const { broker, stream } = setup()
  stream.overflow = 'latest'
  await stream.subscribe('a', { filter: ({ data }) => Number(data) % 2 === 0 })
  await turns()
  stream.fill()
  await publish(broker, 'a', texts(1, 700))
  await publish(broker, 'a', ['701'])
  stream.drain()
  await turns(10)
  t.strictSame(stream.data(), ['700'])
})

t.test('a stream without markers contains only published events', async t => {
  const { broker, stream } = setup()
  stream.overflow = 'drop'
  stream.spaceAfterColon = true
  await publish(broker, 'a', ['1'])
  await stream.subscribe('a', { after: 'foreign', markers: false })
  t.equal(stream.subscriber.sendsMarkers, false)
  await publish(broker, 'a', ['2'])
  await turns()
  t.strictSame(stream.markers(), [])
  t.strictSame(stream.data(), ['1', '2'])
  t.match(stream.text, /^id: [\w.-]+\ndata: 1\n\n/)
})

t.test('a closed subscriber leaves its channels, and channels without subscribers are removed', async t => {
  const { broker, fanOut, stream, newStream } = setup()
  const other = newStream()
  await stream.subscribe(['a', 'b'])
  await other.subscribe('a')
  t.strictSame(Array.from(fanOut, ({ name, size }) => [name, size]), [['a', 2], ['b', 1]])
  stream.close()
  t.strictSame(Array.from(fanOut, ({ name, size }) => [name, size]), [['a', 1]])
  t.equal(fanOut.subscriberCount('b'), 0)
  await publish(broker, 'a', ['1'])
  await turns()
  t.strictSame(stream.data(), [])
  other.close()
  t.strictSame([...fanOut], [])
})

t.test('flush() delivers pending events, so that they are sent before the stream ends', async t => {
  const { broker, stream } = setup()
  await stream.subscribe(['a', 'b'])
  await turns()
  broker.publish('b', { data: '1' }, { history: HISTORY })
  t.strictSame(stream.data(), [])
  stream.subscriber.flush()
  t.strictSame(stream.data(), ['1'])
})

t.test('a subscriber that closes while it subscribes leaves no channel behind', async t => {
  for (const turnsBefore of [0, 1, 2]) {
    const { broker, fanOut, stream } = setup(new DelayedBroker(memoryBroker(), () => 0.5))
    await publish(broker, 'a', ['1'])
    const subscribed = stream.subscribe('a')
    const later = stream.subscribe('b')
    await turns(turnsBefore)
    stream.close()
    await t.rejects(subscribed, { code: 'SSE_ERR_CLOSED' })
    await t.rejects(later, { code: 'SSE_ERR_CLOSED' })
    await turns(20)
    t.strictSame([...fanOut], [])
  }
})

t.test('a subscriber that closes while it adds a channel leaves no channel behind', async t => {
  const { broker, fanOut, stream } = setup(new DelayedBroker(memoryBroker(), () => 0.5))
  await publish(broker, 'b', ['1'])
  await stream.subscribe('a')
  await turns(10)
  const later = stream.subscribe('b')
  await turns(4)
  stream.close()
  await t.rejects(later, { code: 'SSE_ERR_CLOSED' })
  await turns(20)
  t.strictSame([...fanOut], [])
})

t.test('a subscriber that closes during a delivery does not affect others', async t => {
  const { broker, fanOut, stream, newStream } = setup()
  const others = [newStream(), newStream(), newStream()]
  await others[0]!.subscribe('a')
  await stream.subscribe('a', {
    filter: () => {
      others[0]!.close()
      others[1]!.close()
      broker.publish('a', { data: 'published by the filter' }, { history: HISTORY })
      return false
    }
  })
  await others[1]!.subscribe('a')
  await others[2]!.subscribe('a')
  await publish(broker, 'a', ['1'])
  await turns(1)
  t.strictSame(others[2]!.data(), ['1'])
  t.equal(fanOut.subscriberCount('a'), 2)
  await turns(1)
  t.strictSame(others[2]!.data().slice(0, 2), ['1', 'published by the filter'], 'what is published during a delivery is delivered next')
  stream.close()
})

t.test('a broker that rejects a subscription ends the stream', async t => {
  const { fanOut, stream } = setup(memoryBroker({ maxChannels: 1 }))
  await stream.subscribe('a')
  await t.rejects(stream.subscribe('b'), { code: 'SSE_ERR_BROKER_FULL' })
  await turns()
  t.match(stream.error, { code: 'SSE_ERR_BROKER_FULL' })
  t.strictSame([...fanOut], [])
})

t.test('a rejection after the subscriber has closed is ignored', async t => {
  const broker = memoryBroker()
  let refuse = (_error: Error): void => {}
  broker.subscribe = async () => await new Promise((_resolve, reject) => { refuse = reject })
  const { fanOut, stream } = setup(broker)
  const subscribed = stream.subscribe('a')
  stream.close()
  refuse(new Error('too late'))
  await t.rejects(subscribed, { code: 'SSE_ERR_CLOSED' })
  await turns()
  t.equal(stream.error, undefined)
  t.strictSame([...fanOut], [])
})

t.test('losses after a break are reported, whatever the option `overflow`', async t => {
  const broker = memoryBroker()
  let listener: SseBrokerListener | undefined
  const { subscribe } = broker
  broker.subscribe = async (channel, subscribed) => {
    listener = subscribed
    return await subscribe.call(broker, channel, subscribed)
  }
  const { stream } = setup(broker)
  await stream.subscribe('a')
  await publish(broker, 'a', ['1'])
  await turns()
  listener!.onBreak()
  await turns()
  t.strictSame(stream.markers(), ['sse-ready'], 'nothing is reported if nothing was lost')
  stream.fill()
  await publish(broker, 'a', ['2', '3', '4'], { ...HISTORY, count: 1 })
  listener!.onBreak()
  stream.drain()
  await turns()
  t.strictSame(stream.markers(), ['sse-ready', 'sse-gap'])
  t.strictSame(stream.data(), ['1', '4'])
  await publish(broker, 'a', ['5'])
  await turns()
  t.strictSame(stream.data(), ['1', '4', '5'])
})

t.test('an event that is delivered before a break, while an older page is being read, is not lost', async t => {
  const broker = memoryBroker()
  const listeners: SseBrokerListener[] = []
  const { subscribe } = broker
  broker.subscribe = async (channel, listener) => {
    listeners.push(listener)
    return await subscribe.call(broker, channel, listener)
  }
  const held = new HeldBroker(broker)
  const stream = new FakeStream(new FanOut(held))
  await stream.subscribe('a')
  // The position of the broker is later than that of the subscriber, which therefore needs the history.
  await publish(broker, 'b', ['other'])
  const hold = held.hold('replay', 'response')
  listeners[0]!.onBreak()
  await hold.reached
  await publish(broker, 'a', ['1'])
  listeners[0]!.onBreak()
  hold.release()
  await turns()
  t.strictSame(stream.data(), ['1'])
  await publish(broker, 'a', ['2'])
  await turns()
  t.strictSame(stream.data(), ['1', '2'])
})

t.test('an event too large to be remembered in the process reaches live and reconnecting clients', async t => {
  const { broker, stream, newStream } = setup()
  await stream.subscribe('a')
  const large = 'x'.repeat(2_000_000)
  const [before] = await publish(broker, 'a', ['before', large, 'after'])
  await turns()
  t.strictSame(stream.data(), ['before', large, 'after'])
  const reconnected = newStream()
  await reconnected.subscribe('a', { after: before })
  await turns()
  t.strictSame(reconnected.data(), [large, 'after'])
})

t.test('no interleaving of publishing, reconnecting and slow reading loses, repeats or reorders events', async t => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  t.comment(`seed ${seed}`)
  for (let round = 0; round < 300; round++) {
    const random = seededRandom(seed + round)
    const channels = ['a', 'b', 'c'].slice(0, 1 + Math.floor(random() * 3))
    const { broker, fanOut } = setup(new DelayedBroker(memoryBroker(), random))
    const published: string[] = []
    const publishOne = async (): Promise<void> => {
      const channel = channels[Math.floor(random() * channels.length)]!
      const data = String(published.length)
      published.push(data)
      await broker.publish(channel, { data }, { history: HISTORY })
    }
    const pause = async (): Promise<void> => { await turns(Math.floor(random() * 4)) }
    const publishing = (async () => {
      for (let count = 0; count < 60; count++) {
        if (random() < 0.5) await publishOne()
        else publishOne()
        if (random() < 0.7) await pause()
      }
    })()

    // One client that reconnects several times, each time after a random part of what it was sent.
    let after: string | undefined
    const received: string[] = []
    let connections = 0
    for (let done = false; !done;) {
      const stream = new FakeStream(fanOut)
      const last = connections++ === 6
      stream.subscribe(channels, { after, filter: random() < 0.3 ? () => true : undefined }).catch(() => {})
      if (last) {
        await publishing
        stream.drain()
        await turns(60)
        done = true
      } else {
        for (let step = 0; step < random() * 6; step++) {
          await pause()
          if (random() < 0.4) stream.fill()
          else stream.drain()
        }
      }
      stream.close()
      // The part that has arrived.
      const { events } = stream.decoded()
      const arrived = last ? events : events.slice(0, Math.floor(random() * (events.length + 1)))
      for (const { event, data, id } of arrived) {
        if (event === undefined) received.push(data)
        else if (event !== 'sse-ready') t.fail(`unexpected ${event} with seed ${seed} in round ${round}`)
        after = id ?? after
      }
    }
    if (JSON.stringify(received) !== JSON.stringify(published)) {
      t.strictSame(received, published, `with seed ${seed} in round ${round}`)
      return
    }
  }
  t.pass('300 rounds')
})

t.test('no interleaving of subscribe() and unsubscribe() loses, repeats or reorders events', async t => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  t.comment(`seed ${seed}`)
  for (let round = 0; round < 150; round++) {
    const problem = await subscribeAndUnsubscribe(seededRandom(seed + round))
    if (problem !== undefined) {
      t.fail(`${problem} with seed ${seed} in round ${round}`)
      return
    }
  }
  t.pass('150 rounds')
})

/** One subscription of the stream, from one index of its events to another. */
interface Period { readonly channel: string, readonly now: boolean, readonly begin: number, end: number, publishedWhenBegun: number }

/** Subscribes a stream to random channels and unsubscribes it, while another one does so, too. @returns what is wrong */
async function subscribeAndUnsubscribe (random: () => number): Promise<string | undefined> {
  const chance = (probability: number): boolean => random() < probability
  const channels = ['a', 'b', 'c'].slice(0, 1 + Math.floor(random() * 3))
  const some = (): string[] => channels.filter(() => chance(0.5))
  const { broker, fanOut, stream, newStream } = setup(chance(0.5) ? memoryBroker() : new DelayedBroker(memoryBroker(), random))
  const published: Record<string, number> = { a: 0, b: 0, c: 0 }
  const periods: Period[] = []
  const pending: Array<Promise<unknown>> = []
  const current = (names: string[]): Period[] => periods.filter(({ channel, end }) => end === Infinity && names.includes(channel))

  const subscribe = (names: string[], now: boolean): void => {
    const begin = stream.decoded().events.length
    const begun = names.filter(name => current([name]).length === 0).map(channel => ({ channel, now, begin, end: Infinity, publishedWhenBegun: Infinity }))
    periods.push(...begun)
    pending.push(stream.subscribe(names, { now, filter: chance(0.5) ? () => true : undefined }).then(() => {
      for (const period of begun) period.publishedWhenBegun = published[period.channel]!
    }))
  }
  const unsubscribe = (names: string[]): void => {
    stream.subscriber.unsubscribe(names)
    for (const period of current(names)) period.end = stream.decoded().events.length
  }
  const publishTo = (channel: string): void => {
    published[channel]!++
    pending.push(publish(broker, channel, [`${channel}${published[channel]}`]))
  }

  let other = newStream()
  for (let step = 0; step < 40; step++) {
    if (chance(0.15)) subscribe(some(), chance(0.5))
    if (chance(0.12)) unsubscribe(some())
    for (const channel of chance(0.4) ? some() : []) for (let count = 0; count < random() * 3; count++) publishTo(channel)
    if (chance(0.1)) stream.fill()
    if (chance(0.2)) stream.drain()
    if (chance(0.2)) other.subscribe(some(), { now: chance(0.5) }).catch(() => {})
    if (chance(0.2)) other.subscriber.unsubscribe(some())
    if (chance(0.1)) {
      other.close()
      other = newStream()
    }
    if (chance(0.5)) await turns(Math.floor(random() * 4))
  }
  stream.drain()
  await Promise.all(pending)
  await turns(60)
  const problem = problemOf(stream, periods, published)
  unsubscribe(channels)
  other.close()
  await turns(10)
  return problem ?? ([...fanOut].length > 0 ? 'a channel is left' : undefined)
}

function problemOf (stream: FakeStream, periods: readonly Period[], published: Record<string, number>): string | undefined {
  const { events } = stream.decoded()
  const ids = events.flatMap(({ id }) => id ?? [])
  if (ids.some((id, index) => index > 0 && compareIds(ids[index - 1]!, id) > 0)) return 'ids decrease'
  const isIn = ({ channel, begin, end }: Period, { data, event }: typeof events[number], index: number): boolean => {
    return event === undefined && data.startsWith(channel) && index >= begin && index < end
  }
  const stray = events.find((event, index) => event.event === undefined && !periods.some(period => isIn(period, event, index)))
  if (stray !== undefined) return `${stray.data} was sent without a subscription`
  for (const period of periods) {
    const { channel, now, end, publishedWhenBegun } = period
    const numbers = events.filter((event, index) => isIn(period, event, index)).map(({ data }) => Number(data.slice(1)))
    const first = numbers[0] ?? Infinity
    if (numbers.some((number, index) => number !== first + index)) return `${channel} has gaps or repetitions: ${numbers}`
    if (numbers.length > 0 && (now ? first > publishedWhenBegun + 1 : first !== 1)) return `${channel} begins with ${first}`
    const expected = now ? publishedWhenBegun + 1 : 1
    if (end === Infinity && published[channel]! >= expected && numbers.at(-1) !== published[channel]) return `${channel} has lost ${published[channel]}`
  }
  return undefined
}

/** Random numbers from 0 to 1 for a seed (mulberry32). */
function seededRandom (seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6D2B79F5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

t.test('a stream whose filter returns a promise fails before it sends an event', async t => {
  for (const live of [true, false]) {
    const { broker, fanOut } = setup()
    const stream = new FakeStream(fanOut)
    const filter = (async () => false) as unknown as () => boolean
    if (!live) await publish(broker, 'a', ['secret'])
    await stream.subscribe('a', { filter }).catch(() => {})
    if (live) await publish(broker, 'a', ['secret'])
    await turns()
    t.match(stream.error, { code: 'SSE_ERR_CALLBACK' })
    t.strictSame(stream.data(), [])
  }
})

t.test('a stream that cannot deliver ends with the error, and the others receive the batch', async t => {
  const { broker, stream, newStream } = setup()
  const other = newStream()
  for (const one of [stream, other]) await one.subscribe('a', { now: true })
  stream.deliver = () => { throw new Error('boom') }
  await publish(broker, 'a', ['1'])
  await turns()
  t.match(stream.error, { message: 'boom' })
  await publish(broker, 'a', ['2'])
  await turns()
  t.strictSame(other.data(), ['1', '2'])
})

t.test('unsubscribe()', async t => {
  t.test('ends a subscription after the events that were published before', async t => {
    const { broker, fanOut, stream } = setup()
    await stream.subscribe(['a', 'b'], { now: true })
    await publish(broker, 'a', ['a1'])
    stream.subscriber.unsubscribe(['a', 'never subscribed'])
    await publish(broker, 'a', ['a2'])
    await publish(broker, 'b', ['b1'])
    await turns()
    t.strictSame(stream.data(), ['a1', 'b1'])
    t.strictSame(stream.subscriber.channels, ['b'])
    t.strictSame(Array.from(fanOut, ({ name }) => name), ['b'])
  })

  t.test('ends a subscription whose history is being read', async t => {
    const { broker, stream } = setup()
    await publish(broker, 'a', texts(1, 3))
    await publish(broker, 'b', ['b1'])
    stream.fill()
    const subscribed = stream.subscribe(['a', 'b'])
    await turns()
    stream.subscriber.unsubscribe(['a'])
    stream.drain()
    await subscribed
    await turns()
    t.strictSame(stream.data().filter(data => data !== '1'), ['b1'])
    await publish(broker, 'b', ['b2'])
    await turns()
    t.equal(stream.data().at(-1), 'b2')
  })

  t.test('ends a subscription of a slow client with `latest`', async t => {
    const { broker, stream } = setup()
    stream.overflow = 'latest'
    await stream.subscribe(['a', 'b'], { now: true })
    stream.fill()
    await publish(broker, 'a', ['a1'])
    await publish(broker, 'b', ['b1'])
    await turns()
    stream.drain()
    stream.subscriber.unsubscribe(['a'])
    await turns()
    t.strictSame(stream.data(), ['b1'])
  })

  t.test('ends a subscription that has not begun, so that it never does', async t => {
    const { broker, stream } = setup()
    const first = stream.subscribe('a', { now: true })
    const second = stream.subscribe('b', { now: true })
    stream.subscriber.unsubscribe(['a'])
    await Promise.all([first, second])
    await publish(broker, 'a', ['a1'])
    await publish(broker, 'b', ['b1'])
    await turns()
    t.strictSame(stream.data(), ['b1'])
  })

  t.test('of the only channel leaves a stream to which another one can be added', async t => {
    const { broker, fanOut, stream } = setup()
    const subscribed = stream.subscribe('a')
    stream.subscriber.unsubscribe(['a'])
    await subscribed
    t.equal(stream.subscriber.takeUnsentPosition(), undefined)
    t.strictSame([...fanOut], [])
    await publish(broker, 'b', ['b1'])
    await stream.subscribe('b')
    await publish(broker, 'b', ['b2'])
    await turns()
    t.strictSame(stream.data(), ['b1', 'b2'])
    assertIdsIncrease(t, stream)
  })

  t.test('and subscribe() again resumes where the new subscription starts, without reporting a gap', async t => {
    const { broker, stream } = setup()
    const history = { ...HISTORY, count: 2 }
    await stream.subscribe('a', { now: true })
    await publish(broker, 'a', ['a1'], history)
    await turns()
    stream.subscriber.unsubscribe(['a'])
    await publish(broker, 'a', texts(2, 9), history)
    await turns()
    await stream.subscribe('a', { now: true })
    await publish(broker, 'a', ['a10'], history)
    await turns()
    t.strictSame(stream.data(), ['a1', 'a10'])
    t.strictSame(stream.markers(), ['sse-ready', 'sse-ready'])
    assertIdsIncrease(t, stream)
  })

  t.test('in a filter does not repeat the events of another channel', async t => {
    const { broker, stream } = setup()
    await stream.subscribe('a', {
      now: true,
      filter: unsubscribing(stream)
    })
    await stream.subscribe('b', { now: true })
    await publish(broker, 'b', ['b0'])
    await turns()
    await publish(broker, 'a', ['a1'])
    await publish(broker, 'b', ['b1'])
    await turns()
    t.strictSame(stream.data(), ['b0', 'a1', 'b1'])
  })

  t.test('in the filter of another stream ends the subscription during a delivery', async t => {
    const { broker, stream, newStream } = setup()
    const other = newStream()
    await other.subscribe('a', {
      now: true,
      filter: unsubscribing(stream)
    })
    await stream.subscribe(['a', 'b'], { now: true })
    await publish(broker, 'a', ['a1'])
    await publish(broker, 'b', ['b1'])
    await publish(broker, 'a', ['a2'])
    await turns()
    t.strictSame(stream.data(), ['b1'])
    assertIdsIncrease(t, stream)
  })

  t.test('of a subscription that never begins leaves the channel to other streams', async t => {
    const { broker, stream, newStream } = setup()
    await stream.subscribe('a', { now: true })
    const other = newStream()
    other.subscribe('a').catch(() => {})
    other.subscriber.unsubscribe(['a'])
    other.close()
    await turns()
    await publish(broker, 'a', ['a1'])
    await turns()
    t.strictSame(stream.data(), ['a1'])
  })

  t.test('of all channels before they begin leaves a stream without a position', async t => {
    const { broker, stream } = setup()
    await publish(broker, 'b', ['b1'])
    const subscribed = [stream.subscribe('a', { after: 'unknown' }), stream.subscribe('a', { now: true })]
    stream.subscriber.unsubscribe(['a'])
    await Promise.all(subscribed)
    await stream.subscribe('b')
    t.strictSame(stream.data(), ['b1'])
    t.equal(stream.error, undefined)
  })

  t.test('while the history is being read does not report what the channel has lost', async t => {
    const held = new HeldBroker(memoryBroker())
    const { broker, stream } = setup(held)
    await stream.subscribe(['a', 'b'], { now: true })
    stream.fill()
    const history = { ...HISTORY, count: 1 }
    await publish(broker, 'a', texts(1, 600), history)
    await publish(broker, 'b', ['b1'], history)
    const hold = held.hold('replay', 'request')
    stream.drain()
    await hold.reached
    stream.subscriber.unsubscribe(['a'])
    hold.release()
    await turns()
    t.strictSame([stream.closedAsSlow, stream.data()], [false, ['b1']])
  })

  t.test('before the last event of a slow client with `latest` lets the stream continue', async t => {
    const { broker, stream } = setup()
    stream.overflow = 'latest'
    await stream.subscribe(['a', 'b'], { now: true, until: ({ data }) => data === 'a2' })
    stream.fill()
    await publish(broker, 'a', ['a0'])
    await turns()
    await publish(broker, 'b', ['b1'])
    await publish(broker, 'a', ['a2'])
    await publish(broker, 'b', ['b3'])
    stream.drain()
    stream.fill()
    await turns()
    stream.subscriber.unsubscribe(['a'])
    stream.drain()
    await turns()
    t.strictSame(stream.data(), ['b1', 'b3'])
    t.equal(stream.completed, false)
  })

  t.test('in a filter applies to the rest of the batch', async t => {
    const { broker, stream } = setup()
    await stream.subscribe('a', {
      now: true,
      filter: unsubscribing(stream)
    })
    await publish(broker, 'a', ['a1', 'a2'])
    await turns()
    t.strictSame(stream.data(), ['a1'])
    t.equal(stream.error, undefined)
  })
})

t.test('filter and until receive the context of the stream', async t => {
  const { broker, stream } = setup()
  const context = { user: 'anna' }
  const received: unknown[] = []
  const record: SseFilter = (_entry, ...others) => received.push(...others) > 0
  await stream.subscribe('a', { context, filter: record, until: (...args) => !record(...args) })
  await publish(broker, 'a', ['a1'])
  await turns()
  t.strictSame(received, ['a', context, 'a', context])
})
