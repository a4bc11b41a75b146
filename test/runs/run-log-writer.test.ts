import t from 'tap'
import { Deferred } from '../../plugin/base/deferred.ts'
import { SSE_ERR_PRECONDITION } from '../../plugin/base/errors.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import type { SseBroker } from '../../plugin/channels/broker.ts'
import { RunLogWriter } from '../../plugin/runs/run-log-writer.ts'
import { endKey, KEEP_ALL } from '../../plugin/runs/run-log.ts'
import { mockClock } from '../fixtures/clock.ts'
import { settle } from '../fixtures/runs.ts'
import { UnreliableBroker } from '../fixtures/unreliable-broker.ts'

const NEVER = (): boolean => false
const END = { event: 'done', data: '{}' }

const createWriter = (broker: SseBroker, generation = 'g'): RunLogWriter => {
  return new RunLogWriter(broker, 'run:a', { generation, retention: 1_000, processId: undefined }, () => {})
}

async function begunWriter (broker: SseBroker): Promise<RunLogWriter> {
  const writer = createWriter(broker)
  await writer.begin(NEVER)
  return writer
}

const texts = async (broker: SseBroker): Promise<Array<string | undefined>> => (await broker.replay('run:a', undefined, 9_999)).entries.slice(1).map(({ data }) => data)

t.test('a log is begun once', async t => {
  const broker = memoryBroker()
  const begun = await Promise.all(['g', 'h', 'i'].map(async generation => await createWriter(broker, generation).begin(NEVER)))
  t.strictSame(begun, [true, false, false])
})

t.test('a beginning whose outcome is unknown is repeated, and recognized as its own', async t => {
  const { advance } = mockClock(t)
  const broker = new UnreliableBroker()
  broker.lostReplies = 1
  const begun = createWriter(broker).begin(NEVER)
  await settle()
  advance(50)
  t.equal(await begun, true)
  t.equal(broker.entries('run:a').length, 1)
})

t.test('a writer that gave up finds out whether its log was begun', async t => {
  const broker = new UnreliableBroker()
  broker.error = new Error('unavailable')
  const [first, second] = [createWriter(broker), createWriter(broker, 'other')]
  await t.rejects(first.begin(() => true), { message: 'unavailable' })
  broker.error = undefined
  t.equal(await first.isBegun(), false)
  broker.lostReplies = 1
  await t.rejects(first.begin(() => true), { message: 'connection lost' })
  t.equal(await first.isBegun(), true)
  t.equal(await second.isBegun(), false)
  await first.append({ data: 'x' }, new AbortController().signal)
  t.strictSame(await texts(broker), ['x'])
})

t.test('waiting for the broker ends when the signal is aborted', async t => {
  const { advance } = mockClock(t)
  const broker = new UnreliableBroker()
  const writer = await begunWriter(broker)
  broker.error = new Error('unavailable')
  const controller = new AbortController()
  const appending = writer.append({ data: 'x' }, controller.signal)
  await settle()
  controller.abort()
  advance(50)
  await t.rejects(appending, { message: 'unavailable' })
})

t.test('an event after the terminal event of another process is not published', async t => {
  const broker = memoryBroker()
  const writer = await begunWriter(broker)
  await broker.publish('run:a', { event: 'aborted', data: '{}' }, { history: KEEP_ALL, idempotencyKey: endKey('g') })
  t.match(await writer.append({ data: 'x' }, new AbortController().signal), { event: 'aborted' })
  t.match(await writer.end(END, () => 0), { event: 'aborted' })
  t.strictSame(await texts(broker), ['{}'])
})

t.test('an event of somebody else in the log of a run counts as a loss', async t => {
  const broker = memoryBroker()
  const writer = await begunWriter(broker)
  await broker.publish('run:a', { data: 'foreign' }, { history: KEEP_ALL })
  await t.rejects(writer.append({ data: 'x' }, new AbortController().signal), { code: 'SSE_ERR_RUN_LOG_LOST' })
})

t.test('a gap after the last event of a run is not a loss of its events', async t => {
  const broker = memoryBroker()
  const writer = await begunWriter({
    publish: (...args) => broker.publish(...args),
    subscribe: (...args) => broker.subscribe(...args),
    replay: async (...args) => {
      const page = await broker.replay(...args)
      return { ...page, lost: page.clock }
    },
    close: async () => {}
  })
  await writer.append({ data: 'x' }, new AbortController().signal)
  t.equal(await writer.findEnd(), undefined)
  t.match(await writer.end(END, () => 0), END)
})

t.test('a log of another epoch that has all entries is continued, over any number of pages', async t => {
  const broker = new UnreliableBroker()
  const writer = await begunWriter(broker)
  const { signal } = new AbortController()
  for (let number = 0; number < 600; number++) await writer.append({ data: `${number}` }, signal)
  broker.loseAllBut(601)
  t.equal(await writer.findEnd(), undefined)
  await writer.append({ data: 'x' }, signal)
  t.match(await writer.end(END, () => 0), END)
  t.match(await writer.findEnd(), END)
  broker.loseAllBut(600)
  await t.rejects(writer.findEnd(), { code: 'SSE_ERR_RUN_LOG_LOST' })
})

t.test('if the log of a run was lost after it was ended by another process, that end remains', async t => {
  const broker = new UnreliableBroker()
  const writer = await begunWriter(broker)
  const { signal } = new AbortController()
  await writer.append({ data: 'x' }, signal)
  broker.loseAllBut(1)
  await broker.publish('run:a', { event: 'aborted', data: '{}' }, { history: KEEP_ALL, idempotencyKey: endKey('g') })
  t.match(await writer.end(END, () => 0), { event: 'aborted' })
})

t.test('an end that was published and is missing in the log cannot be published again', async t => {
  const broker = memoryBroker()
  const writer = await begunWriter(broker)
  await broker.publish('run:a', { event: 'aborted', data: '{}' }, { history: { ...KEEP_ALL, count: 0 }, idempotencyKey: endKey('g') })
  await t.rejects(writer.end(END, () => 0), { code: 'SSE_ERR_IDEMPOTENCY_KEY' })
})

t.test('a log that cannot be read is read again', async t => {
  const { advance } = mockClock(t)
  const broker = new UnreliableBroker()
  const writer = await begunWriter(broker)
  const { signal } = new AbortController()
  broker.lostReplies = 1
  const appending = writer.append({ data: 'x' }, signal)
  await settle()
  const { replay } = broker
  let reads = 0
  broker.replay = async (...args) => {
    if (reads++ === 0) throw new Error('unreadable')
    return await replay.apply(broker, args)
  }
  advance(50)
  await settle()
  advance(100)
  await appending
  t.strictSame(await texts(broker), ['x'])
  reads = 0
  await broker.publish('run:a', { event: 'aborted', data: '{}' }, { history: KEEP_ALL, idempotencyKey: endKey('g') })
  const ending = writer.end(END, () => 0)
  await settle()
  advance(50)
  t.match(await ending, { event: 'aborted' })
})

t.test('an event that is confirmed while the terminal event is refused because of it precedes that event', async t => {
  const broker = memoryBroker()
  const confirmed = new Deferred<void>()
  const writer = await begunWriter({
    publish: async (channel, payload, options) => {
      try {
        const published = await broker.publish(channel, payload, options)
        if (payload.data === 'x') await confirmed.promise
        return published
      } catch (error) {
        confirmed.resolve()
        await settle()
        throw error
      }
    },
    subscribe: (...args) => broker.subscribe(...args),
    replay: (...args) => broker.replay(...args),
    close: async () => {}
  })
  const appending = writer.append({ data: 'x' }, new AbortController().signal)
  t.match(await writer.end(END, () => 0), END)
  await appending
  t.strictSame(await texts(broker), ['x', '{}'])
})

t.test('a broker that refuses an event without a reason fails the run', async t => {
  const broker = memoryBroker()
  const writer = await begunWriter({
    publish: async (channel, payload, options) => {
      if (options.expectedLastId !== undefined) throw new SSE_ERR_PRECONDITION()
      return await broker.publish(channel, payload, options)
    },
    subscribe: (...args) => broker.subscribe(...args),
    replay: (...args) => broker.replay(...args),
    close: async () => {}
  })
  await t.rejects(writer.append({ data: 'x' }, new AbortController().signal), { code: 'SSE_ERR_RUN_LOG_LOST' })
  t.match(await writer.end(END, () => 0), END)
})
