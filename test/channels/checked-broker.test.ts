import t from 'tap'
import type { SseBroker, SseBrokerListener, SsePage } from '../../plugin/channels/broker.ts'
import { CheckedBroker } from '../../plugin/channels/checked-broker.ts'
import { FanOut } from '../../plugin/channels/fan-out.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { brokerContract } from '../../plugin/testing/index.ts'
import { SseEntry } from '../../plugin/wire/entry.ts'
import { INVALID_PAYLOADS } from '../fixtures/invalid-payloads.ts'
import { record } from '../fixtures/recorder.ts'
import { FakeStream, turns } from '../fixtures/subscriber.ts'

for (const { name, run } of brokerContract(() => new CheckedBroker(memoryBroker(), () => {}))) t.test(name, run)

/** A broker of a third party, which delivers and stores whatever a test passes to it. */
class ForeignBroker implements SseBroker {
  readonly shared = true
  entries: unknown[] = []
  lost: string | undefined
  clock = 'e.0-0'
  readonly listeners = new Map<string, SseBrokerListener>()

  async publish (): Promise<never> { throw new Error('closed') }

  async subscribe (channel: string, listener: SseBrokerListener) {
    this.listeners.set(channel, listener)
    const position = (): string => this.clock
    return { get position () { return position() }, unsubscribe: () => { throw new Error('cannot unsubscribe') } }
  }

  async replay (_channel: string, after: string | undefined, count: number): Promise<SsePage> {
    const from = after === undefined ? 0 : this.entries.findIndex(entry => (entry as SseEntry | undefined)?.id === after) + 1
    const entries = this.entries.slice(from, from + count) as SseEntry[]
    return { entries, more: this.entries.length > from + count, known: true, lost: this.lost, clock: this.clock }
  }

  async close (): Promise<void> {}

  /** Delivers and stores an entry. */
  add (channel: string, entry: unknown, isStored = true): void {
    const id = (entry as SseEntry | undefined)?.id
    if (typeof id === 'string' && /^e\./.test(id)) this.clock = id
    if (isStored) this.entries.push(entry)
    this.listeners.get(channel)?.onEntry(entry as SseEntry)
  }
}

const entry = (ms: number, payload: unknown = { data: String(ms) }): SseEntry => new SseEntry(`e.${ms}-0`, payload as object)
const INVALID = { data: 'x', event: 'a\nb' }

function setup () {
  const foreign = new ForeignBroker()
  const reports: unknown[] = []
  const broker = new CheckedBroker(foreign, (error, channel) => { reports.push([(error as { code: string }).code, channel]) })
  return { foreign, broker, reports }
}

t.test('it is shared and has partitions if its broker does', async t => {
  const { broker } = setup()
  t.equal(broker.shared, true)
  t.equal(broker.partition('a'), broker.partition('bc'), 'a broker without partitions')
  t.equal(new CheckedBroker(memoryBroker(), () => {}).shared, undefined)
  t.equal(new CheckedBroker(Object.assign(new ForeignBroker(), { partition: (channel: string) => channel.length }), () => {}).partition('abc'), 3)
})

t.test('an entry that cannot be sent is reported, and its listener may have missed an entry', async t => {
  const { foreign, broker, reports } = setup()
  const recorder = await record(broker, 'a')
  const invalid = INVALID_PAYLOADS.filter(payload => typeof payload === 'object' && payload !== null)
  for (const [index, payload] of invalid.entries()) foreign.add('a', entry(index + 1, payload))
  foreign.add('a', undefined)
  foreign.add('a', { id: 'no id', data: 'x' })
  foreign.add('a', entry(100))
  foreign.listeners.get('a')!.onBreak()
  t.strictSame(recorder.data, ['100'])
  t.equal(recorder.breaks, invalid.length + 3)
  t.strictSame(reports, Array(invalid.length + 2).fill(['SSE_ERR_EVENT', 'a']))
})

t.test('a page has a gap in place of entries that cannot be sent, which are reported once', async t => {
  const { foreign, broker, reports } = setup()
  foreign.entries = [entry(1), entry(2, INVALID), entry(3), { id: 'e.4-0', data: 'from another copy' }]
  foreign.clock = 'e.4-0'
  for (let read = 0; read < 2; read++) {
    const page = await broker.replay('a', undefined, 10)
    t.strictSame(page.entries.map(({ id }) => id), ['e.1-0', 'e.3-0', 'e.4-0'])
    t.type(page.entries[2], SseEntry)
    t.match(page, { lost: 'e.2-0', damaged: true, more: false, known: true, clock: 'e.4-0' })
  }
  t.equal(reports.length, 1)
  t.equal((await broker.replay('a', 'e.2-0', 10)).lost, undefined)
  t.equal((await broker.replay('a', undefined, 1)).lost, undefined, 'a page that ends before it')
  foreign.lost = 'e.3-0'
  t.equal((await broker.replay('a', undefined, 10)).lost, 'e.3-0', 'the later loss')
})

t.test('a page without an entry that can be sent is followed by the next', async t => {
  const { foreign, broker } = setup()
  foreign.entries = [entry(1, INVALID), entry(2, INVALID), entry(3)]
  foreign.clock = 'e.3-0'
  t.match(await broker.replay('a', undefined, 1), { entries: [{ id: 'e.3-0' }], lost: 'e.2-0', damaged: true, more: false })
  foreign.entries = [undefined, entry(3)]
  t.match(await broker.replay('a', undefined, 1), { entries: [], lost: 'e.3-0', damaged: true, more: false }, 'the next page is not known')
})

t.test('an entry whose properties throw is left out', async t => {
  const { foreign, broker, reports } = setup()
  const recorder = await record(broker, 'a')
  const hostile = new Proxy({}, { get: () => { throw new Error('a property that throws') } })
  foreign.listeners.get('a')!.onEntry(hostile as SseEntry)
  t.equal(recorder.breaks, 1)
  foreign.entries = [hostile, entry(1)]
  foreign.clock = 'e.1-0'
  t.match(await broker.replay('a', undefined, 10), { entries: [{ id: 'e.1-0' }], lost: undefined })
  t.equal(reports.length, 2)
})

t.test('an id that the log has not assigned counts as its last one', async t => {
  const { foreign, broker } = setup()
  await record(broker, 'a')
  foreign.entries = [entry(1), entry(9, INVALID), new SseEntry('f.1-0', INVALID), entry(2), entry(3)]
  foreign.clock = 'e.3-0'
  t.match(await broker.replay('a', undefined, 10), { entries: [{ id: 'e.1-0' }, { id: 'e.2-0' }, { id: 'e.3-0' }], lost: 'e.3-0' })
  foreign.entries = [entry(3)]
  foreign.listeners.get('a')!.onEntry(entry(9, INVALID))
  t.equal((await broker.replay('a', 'e.3-0', 10)).lost, 'e.3-0')
  for (const first of [entry(9, INVALID), new SseEntry('f.1-0', INVALID)]) {
    foreign.entries = [first, entry(3)]
    t.match(await broker.replay('a', undefined, 1), { entries: [], lost: 'e.3-0', more: false }, 'the next page is not known')
  }
  foreign.entries = [entry(2), entry(1, INVALID), entry(3)]
  t.match(await broker.replay('a', 'e.2-0', 1), { entries: [], lost: 'e.3-0', more: false }, 'the next page would be the same')
})

t.test('an invalid entry of another epoch is no gap', async t => {
  const { foreign, broker } = setup()
  await record(broker, 'a')
  foreign.add('a', entry(2, INVALID), false)
  t.equal((await broker.replay('a', undefined, 1)).lost, 'e.2-0')
  foreign.add('a', new SseEntry('f.1-0', INVALID), false)
  t.equal((await broker.replay('a', undefined, 1)).lost, undefined)
  foreign.clock = 'f.1-0'
  t.equal((await broker.replay('a', undefined, 1)).lost, 'f.1-0')
})

t.test('the newest invalid entries of a thousand channels are remembered', async t => {
  const { foreign, broker } = setup()
  for (let channel = 0; channel <= 1_000; channel++) {
    await record(broker, String(channel))
    foreign.add(String(channel), entry(2, INVALID), false)
  }
  t.equal((await broker.replay('0', undefined, 1)).lost, undefined)
  t.equal((await broker.replay('1', undefined, 1)).lost, 'e.2-0')
})

t.test('a subscription that cannot be ended becomes a warning', async t => {
  const { broker } = setup()
  const warnings = t.capture(process, 'emitWarning')
  const { subscription } = await record(broker, 'a')
  subscription.unsubscribe()
  t.match(warnings.args(), [[/^A broker failed to end a subscription: Error: cannot unsubscribe/]])
})

t.test('clients receive a gap in place of an entry that cannot be sent, and other channels are not affected', async t => {
  for (const isStored of [true, false]) {
    const { foreign, broker } = setup()
    const fanOut = new FanOut(broker)
    const [stream, other] = [new FakeStream(fanOut), new FakeStream(fanOut)]
    await stream.subscribe('a', { now: true })
    await other.subscribe('b', { now: true })
    foreign.add('a', entry(1))
    foreign.add('a', entry(2, INVALID), isStored)
    foreign.add('b', entry(3), false)
    await turns(6)
    foreign.add('a', entry(4))
    await turns(6)
    t.strictSame(stream.data(), ['1', '4'])
    t.strictSame(other.data(), ['3'])
    t.strictSame(stream.markers(), ['sse-ready', 'sse-gap'])
    const gap = stream.decoded().events.find(({ event }) => event === 'sse-gap')!
    t.match(JSON.parse(gap.data), { gaps: [{ channel: 'a', to: 'e.2-0' }] })
    t.equal(stream.error, undefined)
  }
})

t.test('an invalid entry that is delivered before the broker has answered is left out', async t => {
  const { foreign, broker, reports } = setup()
  const stream = new FakeStream(new FanOut(broker))
  const subscribed = stream.subscribe('a', { now: true })
  foreign.add('a', entry(1, INVALID))
  await subscribed
  foreign.add('a', entry(2))
  await turns()
  t.strictSame(stream.data(), ['2'])
  t.equal(reports.length, 1)
})
