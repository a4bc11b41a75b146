import t, { type Test } from 'tap'
import type { SseBroker, SseBrokerListener } from '../../plugin/channels/broker.ts'
import { compareIds } from '../../plugin/wire/event-id.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { FanOut } from '../../plugin/channels/fan-out.ts'
import { FakeStream, HISTORY, publish, turns } from '../fixtures/subscriber.ts'
import { ScrambledBroker } from '../fixtures/scrambled-broker.ts'

interface Scene {
  broker: SseBroker
  fanOut: FanOut
  stream: FakeStream
  /** A client that comes to the same fanOut. */
  another: () => FakeStream
}

function scene (broker: SseBroker = memoryBroker()): Scene {
  const fanOut = new FanOut(broker)
  return { broker, fanOut, stream: new FakeStream(fanOut), another: () => new FakeStream(fanOut) }
}

const texts = (from: number, to: number): string[] => Array.from({ length: to - from + 1 }, (_, index) => String(from + index))

function rises (t: Test, stream: FakeStream): void {
  const ids = stream.decoded().events.flatMap(({ id }) => id ?? [])
  t.ok(ids.every((id, index) => index === 0 || compareIds(ids[index - 1]!, id) <= 0), 'ids rise')
}

t.test('a client that is new begins now, or at the start', async t => {
  const { broker, stream, another } = scene()
  const late = another()
  await publish(broker, 'a', ['1', '2'])
  await stream.subscribe('a', { now: true })
  await late.subscribe('a')
  await publish(broker, 'a', ['3', '4'])
  await turns()
  t.strictSame(stream.data(), ['3', '4'])
  t.strictSame(late.data(), ['1', '2', '3', '4'])
  t.strictSame([...stream.markers(), ...late.markers()], ['sse-ready', 'sse-ready'])
  t.equal(stream.decoded().events[0]!.event, 'sse-ready', 'first it is told where it stands')
  t.equal(stream.events, 2, 'which is no event of the application')
})

t.test('a client that has seen no event yet loses nothing when it comes back', async t => {
  const { broker, stream, another } = scene()
  await publish(broker, 'a', ['1'])
  await stream.subscribe('a', { now: true })
  const id = stream.lastId
  stream.close()
  await publish(broker, 'a', ['2', '3'])
  const back = another()
  await back.subscribe('a', { after: id })
  await turns()
  t.strictSame(back.data(), ['2', '3'])
  t.strictSame(back.markers(), ['sse-ready'])
})

t.test('a client that comes back gets what it has missed, and nothing twice', async t => {
  const { broker, another } = scene()
  const ids = await publish(broker, 'a', texts(1, 5))
  for (const [index, id] of ids.entries()) {
    const stream = another()
    await stream.subscribe('a', { after: id })
    await turns()
    t.strictSame(stream.data(), texts(1, 5).slice(index + 1))
    t.strictSame(stream.markers(), ['sse-ready'])
  }
})

t.test('what history has lost is told, and all that is left follows', async t => {
  const { broker, stream, another } = scene()
  const ids = await publish(broker, 'a', texts(1, 5), { ...HISTORY, count: 2 })
  await stream.subscribe('a', { after: ids[0] })
  await turns()
  t.strictSame(stream.markers(), ['sse-gap'])
  const [gap] = stream.decoded().events
  t.strictSame(JSON.parse(gap!.data), { gaps: [{ channel: 'a', from: ids[0], to: ids[2] }] })
  t.strictSame(stream.data(), ['4', '5'])
  const back = another()
  await back.subscribe('a', { after: gap!.id })
  await turns()
  t.strictSame(back.markers(), ['sse-ready'], 'who has heard of a gap is not told again')
  t.strictSame(back.data(), ['4', '5'])
  const none = another()
  await none.subscribe('a', { after: ids[2] })
  await turns()
  t.strictSame(none.markers(), ['sse-ready'], 'who stood at the edge has missed nothing')
})

t.test('a gap with nothing left after it', async t => {
  const { broker, stream } = scene()
  const ids = await publish(broker, 'a', texts(1, 3), { ...HISTORY, count: 0 })
  await stream.subscribe('a', { after: ids[0] })
  await publish(broker, 'a', ['4'], { ...HISTORY, count: 0 })
  await turns()
  t.strictSame(stream.markers(), ['sse-gap'])
  t.equal(stream.decoded().events[0]!.id, ids[2])
  t.strictSame(stream.data(), ['4'])
})

t.test('an id that is not of this log is a reset, and all there is follows', async t => {
  const { broker, another } = scene()
  const [first] = await publish(broker, 'a', ['1', '2'])
  const [epoch] = first!.split('.')
  for (const after of ['7', 'x'.repeat(1_024), 'é', 'now', `other.${first!.split('.')[1]}`, `${epoch}.99999999999999-0`, `${epoch}.-1-0`]) {
    const stream = another()
    await stream.subscribe('a', { after })
    await publish(broker, 'b', ['x'])
    await turns()
    t.strictSame(stream.markers(), ['sse-reset'], after)
    t.strictSame(stream.data(), ['1', '2'])
    rises(t, stream)
    const back = another()
    await back.subscribe('a', { after: stream.decoded().events[0]!.id })
    await turns()
    t.strictSame(back.markers(), ['sse-ready'])
    t.strictSame(back.data(), ['1', '2'], 'who has heard of nothing else gets all there is')
  }
})

t.test('one id tells how far a client has got in several channels', async t => {
  const { broker, stream, another } = scene()
  for (const text of texts(1, 20)) await publish(broker, Number(text) % 3 === 0 ? 'b' : 'a', [text])
  await stream.subscribe(['a', 'b', 'a'])
  await Promise.all(texts(21, 40).map(async text => await publish(broker, Number(text) % 3 === 0 ? 'b' : 'a', [text])))
  await turns()
  t.strictSame(stream.data(), texts(1, 40))
  t.strictSame(stream.markers(), ['sse-ready'])
  rises(t, stream)
  for (const { id, data } of stream.decoded().events.slice(1)) {
    const back = another()
    await back.subscribe(['b', 'a'], { after: id })
    await turns()
    t.strictSame(back.data(), texts(Number(data) + 1, 40))
  }
})

t.test('a gap in one channel loses nothing of another', async t => {
  const { broker, stream, another } = scene()
  const [from] = await publish(broker, 'a', ['a1'])
  await publish(broker, 'b', ['b2'])
  const [, to] = await publish(broker, 'a', ['a3', 'a4', 'a5'], { ...HISTORY, count: 1 })
  await stream.subscribe(['a', 'b'], { after: from })
  await turns()
  const [gap] = stream.decoded().events
  t.strictSame(JSON.parse(gap!.data), { gaps: [{ channel: 'a', from, to }] })
  t.strictSame(stream.data(), ['b2', 'a5'])
  const back = another()
  await back.subscribe(['a', 'b'], { after: gap!.id })
  await turns()
  t.strictSame(back.data(), ['b2', 'a5'])
})

t.test('a channel that is followed later has its past without ids, and what comes in order', async t => {
  const { broker, stream } = scene()
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
  rises(t, stream)
})

t.test('a channel that is followed later, from now', async t => {
  const { broker, stream } = scene()
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
  t.strictSame(stream.data(), ['b2', 'a1', 'a2'], 'who follows a channel already does not follow it twice')
})

t.test('several calls at once are taken one after the other', async t => {
  const { broker, stream } = scene()
  await publish(broker, 'a', ['a1'])
  await publish(broker, 'b', ['b1'])
  await Promise.all([stream.subscribe('a'), stream.subscribe('b'), stream.subscribe('c')])
  await publish(broker, 'c', ['c1'])
  await turns()
  t.strictSame(stream.data(), ['a1', 'b1', 'c1'])
  t.strictSame(stream.markers(), ['sse-ready', 'sse-ready', 'sse-ready'])
})

t.test('channels of two partitions are refused before anything is followed or told', async t => {
  const broker = memoryBroker()
  broker.partition = name => name.charAt(0)
  const { fanOut, stream, another } = scene(broker)
  const REFUSED = { code: 'SSE_ERR_PARTITION', statusCode: 500, message: /different partitions; received "a1" and "b1"\. .* \{tag\}/ }
  await t.rejects(stream.subscribe(['a1', 'a2', 'b1', 'b2']), REFUSED)
  t.strictSame([[...fanOut], stream.text], [[], ''])

  const other = another()
  const first = other.subscribe(['a1', 'a2'])
  await t.rejects(other.subscribe(['a3', 'b1']), REFUSED, 'also while the first is about to be followed')
  await first
  await t.rejects(other.subscribe('b1'), REFUSED)
  await other.subscribe('a3')
  t.strictSame([other.subscriber.channels, other.markers()], [['a1', 'a2', 'a3'], ['sse-ready', 'sse-ready']])
  t.strictSame([...fanOut].map(({ name }) => name), ['a1', 'a2', 'a3'])
  await publish(broker, 'a2', ['x'])
  await turns()
  t.strictSame(other.data(), ['x'])
})

t.test('a later channel that comes with a gap or a foreign id says so', async t => {
  const { broker, stream, another } = scene()
  const ids = await publish(broker, 'b', ['1', '2', '3'], { ...HISTORY, count: 1 })
  await stream.subscribe('a')
  await stream.subscribe('b', { after: ids[0] })
  await turns()
  t.strictSame(stream.markers(), ['sse-ready', 'sse-gap'])
  t.strictSame(stream.data(), ['3'])
  const foreign = another()
  await foreign.subscribe('a')
  await foreign.subscribe('b', { after: 'foreign' })
  t.strictSame(foreign.markers(), ['sse-ready', 'sse-reset'])
})

t.test('a subscriber gets what it wants, and hears where it stands', async t => {
  const { broker, stream, another } = scene()
  await publish(broker, 'a', texts(1, 6))
  await stream.subscribe('a', { filter: ({ data }, channel) => channel === 'a' && Number(data) % 2 === 0 })
  t.equal(stream.subscriber.takeUnsentPosition(), undefined, 'not while it is catching up')
  await turns()
  t.strictSame(stream.data(), ['2', '4', '6'])
  await publish(broker, 'a', ['7'])
  t.equal(stream.subscriber.takeUnsentPosition(), undefined, 'not before what was published is out')
  await turns()
  const [, last] = await publish(broker, 'a', ['8', '9'])
  await turns()
  t.strictSame(stream.data(), ['2', '4', '6', '8'])
  t.equal(stream.subscriber.takeUnsentPosition(), last)
  t.equal(stream.subscriber.takeUnsentPosition(), undefined, 'once')
  stream.close()
  await publish(broker, 'a', texts(10, 12))
  const back = another()
  await back.subscribe('a', { after: last })
  await turns()
  t.strictSame(back.data(), ['10', '11', '12'])
})

t.test('a quiet subscriber hears how far all channels have got', async t => {
  const { broker, stream } = scene()
  await stream.subscribe(['a', 'c'], { now: true })
  await turns()
  const [id] = await publish(broker, 'b', ['1'])
  t.equal(stream.subscriber.takeUnsentPosition(), id)
})

t.test('a stream may end after an event, wherever that comes', async t => {
  const last = ({ data }: { data?: string | undefined }): boolean => data === 'end'

  t.test('live, with others that go on', async t => {
    const { broker, stream, another } = scene()
    const other = another()
    await other.subscribe('a')
    await stream.subscribe('a', { until: last })
    await publish(broker, 'a', ['1'])
    await turns()
    t.equal(stream.completed, false)
    await publish(broker, 'a', ['2', 'end', '3'])
    await turns()
    t.strictSame(stream.data(), ['1', '2', 'end'], 'what comes after it is not sent')
    t.equal(stream.completed, true)
    t.strictSame(other.data(), ['1', '2', 'end', '3'])
  })

  t.test('as the last of its turn', async t => {
    const { broker, stream } = scene()
    await stream.subscribe(['a', 'b'], { until: last })
    await publish(broker, 'a', ['1'])
    await publish(broker, 'b', ['end'])
    await turns()
    t.strictSame([stream.data(), stream.completed], [['1', 'end'], true])
  })

  t.test('in the past', async t => {
    const { broker, stream } = scene()
    await publish(broker, 'a', ['1', 'end', '3'])
    await stream.subscribe('a', { until: last })
    await turns()
    t.strictSame([stream.data(), stream.completed], [['1', 'end'], true])
  })

  t.test('in the past of a channel that is followed later', async t => {
    const { broker, stream } = scene()
    await publish(broker, 'b', ['1', 'end', '3'])
    await stream.subscribe('a')
    await stream.subscribe('b', { until: last, filter: ({ data }) => data !== '1' }).catch(() => {})
    await turns()
    t.strictSame([stream.data(), stream.completed], [['end'], true])
  })

  t.test('while there is no room', async t => {
    for (const overflow of ['close', 'latest'] as const) {
      const { broker, stream } = scene()
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

  t.test('but not after one that the client does not get', async t => {
    const { broker, stream } = scene()
    await publish(broker, 'a', ['end'])
    await stream.subscribe('a', { until: last, filter: entry => !last(entry) })
    await publish(broker, 'a', ['1', 'end', '2'])
    await turns()
    t.strictSame([stream.data(), stream.completed], [['1', '2'], false])
  })
})

t.test('a filter that throws ends its own stream, and no other', async t => {
  const { broker, stream, another } = scene()
  const filter = ({ data }: { data: string | undefined }): boolean => {
    if (data === '2') throw new Error('thrown by the filter')
    return true
  }
  const others = [another(), another()]
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
  const replaying = another()
  await replaying.subscribe('a', { filter }).catch(() => {})
  await turns()
  t.match(replaying.error, { message: 'thrown by the filter' })
})

t.test('who wants all that is there gets what all get', async t => {
  const { broker, stream } = scene()
  await stream.subscribe(['a', 'b'], { filter: () => true })
  const before = stream.shared
  await publish(broker, 'a', ['1', '2'])
  await turns()
  t.equal(stream.shared, before + 1)
  await Promise.all([publish(broker, 'a', ['3']), publish(broker, 'b', ['4']), publish(broker, 'a', ['5'])])
  await turns()
  t.strictSame(stream.data(), texts(1, 5))
})

t.test('a client without room is skipped, and catches up when it has some', async t => {
  const { broker, stream, another } = scene()
  const other = another()
  await stream.subscribe('a')
  await other.subscribe('a')
  await turns()
  stream.fill()
  await publish(broker, 'a', texts(1, 700))
  await turns()
  t.strictSame(stream.data(), [])
  t.strictSame(other.data(), texts(1, 700), 'which costs the others nothing')
  stream.drain()
  await turns(10)
  t.strictSame(stream.data(), texts(1, 700))
  await publish(broker, 'a', ['701'])
  await turns()
  t.equal(stream.data().length, 701, 'and is live again')
  rises(t, stream)
})

t.test('a replay stops where there is no room, and goes on from there', async t => {
  const { broker, stream } = scene()
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

t.test('when history has moved on', async t => {
  const behind = async (overflow: FakeStream['overflow']): Promise<Scene> => {
    const made = scene()
    const { broker, stream } = made
    stream.overflow = overflow
    await stream.subscribe('a', { now: true })
    await publish(broker, 'a', ['1'])
    await turns()
    stream.fill()
    // More than the process remembers by itself.
    await publish(broker, 'a', texts(2, 1_000), { ...HISTORY, count: 3 })
    stream.drain()
    await turns(20)
    return made
  }

  t.test('the stream ends, so that the client comes back and is told', async t => {
    const { stream, another } = await behind('close')
    t.ok(stream.closedAsSlow)
    t.strictSame(stream.data(), ['1'])
    const back = another()
    await back.subscribe('a', { after: stream.lastId })
    await turns()
    t.strictSame(back.markers(), ['sse-gap'])
    t.strictSame(back.data(), ['998', '999', '1000'])
  })

  t.test('or the client is told at once', async t => {
    const { broker, stream } = await behind('drop')
    t.strictSame(stream.markers(), ['sse-ready', 'sse-gap'])
    t.strictSame(stream.data(), ['1', '998', '999', '1000'])
    await publish(broker, 'a', ['1001'])
    await turns()
    t.equal(stream.data().at(-1), '1001')
    rises(t, stream)
  })

  t.test('or it gets the latest of what there is', async t => {
    const { stream } = await behind('latest')
    t.strictSame(stream.markers(), ['sse-ready', 'sse-gap'])
    t.strictSame(stream.data(), ['1', '1000'])
  })
})

t.test('who wants the latest is spared what is outdated, by key, in the order of ids', async t => {
  const { broker, stream } = scene()
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
    if (step === 5) await publish(broker, 'a', ['without a key', 'nor this one'])
  }
  stream.drain()
  await turns(10)
  t.strictSame(stream.data(), ['x0', 'nor this one', 'z7', 'x300', 'y300'])
  rises(t, stream)
  await price('X', 'x301')
  await turns()
  t.equal(stream.data().at(-1), 'x301')
})

t.test('the latest is the latest of what is wanted', async t => {
  const { broker, stream } = scene()
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

t.test('without markers the stream has nothing of ours', async t => {
  const { broker, stream } = scene()
  stream.overflow = 'drop'
  stream.space = true
  await publish(broker, 'a', ['1'])
  await stream.subscribe('a', { after: 'foreign', markers: false })
  t.equal(stream.subscriber.sendsMarkers, false)
  await publish(broker, 'a', ['2'])
  await turns()
  t.strictSame(stream.markers(), [])
  t.strictSame(stream.data(), ['1', '2'])
  t.match(stream.text, /^id: [\w.-]+\ndata: 1\n\n/)
})

t.test('who goes is followed no more, and what nobody follows is let go', async t => {
  const { broker, fanOut, stream, another } = scene()
  const other = another()
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

t.test('who goes before it has come is not waited for', async t => {
  for (const turnsBefore of [0, 1, 2]) {
    const { broker, fanOut, stream } = scene(new ScrambledBroker(memoryBroker(), () => 0.5))
    await publish(broker, 'a', ['1'])
    const following = stream.subscribe('a')
    const later = stream.subscribe('b')
    await turns(turnsBefore)
    stream.close()
    await t.rejects(following, { code: 'SSE_ERR_CLOSED' })
    await t.rejects(later, { code: 'SSE_ERR_CLOSED' })
    await turns(20)
    t.strictSame([...fanOut], [])
  }
})

t.test('who goes while a later channel is told loses nothing of itself', async t => {
  const { broker, fanOut, stream } = scene(new ScrambledBroker(memoryBroker(), () => 0.5))
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

t.test('who leaves while fanOut deliver does not stop them', async t => {
  const { broker, fanOut, stream, another } = scene()
  const others = [another(), another(), another()]
  await others[0]!.subscribe('a')
  await stream.subscribe('a', {
    filter: () => {
      others[0]!.close()
      others[1]!.close()
      broker.publish('a', { data: 'by the filter' }, { history: HISTORY })
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
  t.strictSame(others[2]!.data().slice(0, 2), ['1', 'by the filter'], 'what is published meanwhile comes next')
  stream.close()
})

t.test('a broker that does not let anyone subscribe ends the stream', async t => {
  const { fanOut, stream } = scene(memoryBroker({ maxChannels: 1 }))
  await stream.subscribe('a')
  await t.rejects(stream.subscribe('b'), { code: 'SSE_ERR_BROKER_FULL' })
  await turns()
  t.match(stream.error, { code: 'SSE_ERR_BROKER_FULL' })
  t.strictSame([...fanOut], [])
})

t.test('a broker that refuses who has gone is not heard', async t => {
  const broker = memoryBroker()
  let refuse = (_error: Error): void => {}
  broker.subscribe = async () => await new Promise((_resolve, reject) => { refuse = reject })
  const { fanOut, stream } = scene(broker)
  const following = stream.subscribe('a')
  stream.close()
  refuse(new Error('too late'))
  await t.rejects(following, { code: 'SSE_ERR_CLOSED' })
  await turns()
  t.equal(stream.error, undefined)
  t.strictSame([...fanOut], [])
})

t.test('what a break in the tail has lost is told, whatever the client has asked for', async t => {
  const broker = memoryBroker()
  let listener: SseBrokerListener | undefined
  const { subscribe } = broker
  broker.subscribe = async (channel, heard) => {
    listener = heard
    return await subscribe.call(broker, channel, heard)
  }
  const { stream } = scene(broker)
  await stream.subscribe('a')
  await publish(broker, 'a', ['1'])
  await turns()
  listener!.onBreak()
  await turns()
  t.strictSame(stream.markers(), ['sse-ready'], 'nothing, if nothing was lost')
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

t.test('much in one turn goes out before its end', async t => {
  const { broker, stream } = scene()
  await stream.subscribe('a')
  await turns()
  const before = stream.shared
  for (let index = 0; index < 10; index++) broker.publish('a', { data: 'x'.repeat(4_000) }, { history: HISTORY })
  t.equal(stream.shared, before + 2)
  await turns()
  t.equal(stream.data().length, 10)
})

t.test('where few follow, what is published by a callback does not wait for those after it; where many do, it does', async t => {
  const { broker, stream, another } = scene()
  await stream.subscribe('a')
  await turns()
  /** Two callbacks of the same turn. @returns in how many pieces they came */
  const pieces = async (): Promise<number> => {
    const before = stream.shared
    for (const data of ['x', 'y']) setImmediate(() => { broker.publish('a', { data }, { history: HISTORY }) })
    await turns()
    return stream.shared - before
  }
  t.equal(await pieces(), 2)
  for (let more = 0; more < 8; more++) await another().subscribe('a')
  await turns()
  t.equal(await pieces(), 1)
  t.strictSame(stream.data(), ['x', 'y', 'x', 'y'])
})

t.test('an event that is larger than all that is remembered goes to all who are there, and to who comes back', async t => {
  const { broker, stream, another } = scene()
  await stream.subscribe('a')
  const large = 'x'.repeat(2_000_000)
  const [before] = await publish(broker, 'a', ['before', large, 'after'])
  await turns()
  t.strictSame(stream.data(), ['before', large, 'after'])
  const back = another()
  await back.subscribe('a', { after: before })
  await turns()
  t.strictSame(back.data(), [large, 'after'])
})

t.test('whatever is published when, there is no gap, nothing twice, and no other order', async t => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  t.comment(`seed ${seed}`)
  for (let round = 0; round < 300; round++) {
    const random = generator(seed + round)
    const channels = ['a', 'b', 'c'].slice(0, 1 + Math.floor(random() * 3))
    const { broker, fanOut } = scene(new ScrambledBroker(memoryBroker(), random))
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

    // One client, which loses its connection now and then, at any place in what it reads.
    let after: string | undefined
    const got: string[] = []
    let connections = 0
    for (let over = false; !over;) {
      const stream = new FakeStream(fanOut)
      const last = connections++ === 6
      stream.subscribe(channels, { after, filter: random() < 0.3 ? () => true : undefined }).catch(() => {})
      if (last) {
        await publishing
        stream.drain()
        await turns(60)
        over = true
      } else {
        for (let step = 0; step < random() * 6; step++) {
          await pause()
          if (random() < 0.4) stream.fill()
          else stream.drain()
        }
      }
      stream.close()
      // What has arrived of it.
      const { events } = stream.decoded()
      const arrived = last ? events : events.slice(0, Math.floor(random() * (events.length + 1)))
      for (const { event, data, id } of arrived) {
        if (event === undefined) got.push(data)
        else if (event !== 'sse-ready') t.fail(`${event}, with seed ${seed} in round ${round}`)
        after = id ?? after
      }
    }
    if (JSON.stringify(got) !== JSON.stringify(published)) {
      t.strictSame(got, published, `with seed ${seed} in round ${round}`)
      return
    }
  }
  t.pass('300 rounds')
})

/** Numbers from 0 to 1 that depend on a seed (mulberry32). */
function generator (seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6D2B79F5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
