import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import type { SseBroker } from '../../plugin/channels/broker.ts'
import { SseEntry } from '../../plugin/wire/entry.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { channelName } from '../../plugin/channels/channel-name.ts'
import { KEEP_ALL, readLog, runChannel, stringifyBeginning, summarizeLog } from '../../plugin/runs/run-log.ts'

const publish = async (broker: SseBroker, ...texts: string[]): Promise<void> => {
  for (const data of texts) await broker.publish('run:a', { data }, { history: KEEP_ALL })
}

t.test('the id of a run determines its channel', async t => {
  t.equal(runChannel('a', undefined), 'run:a')
  for (const id of ['', 'a\nb', 'x'.repeat(201), 7, undefined]) t.throws(() => runChannel(id, undefined), { code: 'SSE_ERR_RUN_ID', statusCode: 400 })
})

t.test('each owner has channels of their own, whose names do not contain the owner', async t => {
  const owners = [undefined, 'ann', 'bob', '\ud800', '\ud801', 'x'.repeat(1_000), '{a}']
  const channels = owners.map(owner => runChannel('x'.repeat(200), owner))
  t.equal(new Set(channels).size, owners.length)
  for (const channel of channels) t.equal(channelName(channel), channel, 'a valid name of a channel')
  t.notMatch(channels[1], /ann/)
  t.throws(() => runChannel('', 'ann'), { code: 'SSE_ERR_RUN_ID' })
  const [, hash] = /^run@(.*):/.exec(channels[1]!)!
  t.not(runChannel('x', 'ann'), runChannel(`${hash}:x`, undefined), 'an id can not imitate an owner')
})

const begin = async (broker: SseBroker, processId?: string): Promise<void> => {
  await broker.publish('run:a', { comment: stringifyBeginning({ generation: 'g', retention: 1_000, processId }) }, { history: KEEP_ALL })
}

const end = async (broker: SseBroker, data: string): Promise<string> => (await broker.publish('run:a', { event: 'done', data }, { history: KEEP_ALL })).id

t.test('the first entry of a log names the run, its retention and the producing process', async t => {
  for (const processId of [undefined, 'process']) {
    const broker = memoryBroker()
    await begin(broker, processId)
    t.match(await summarizeLog(broker, 'run:a'), { generation: 'g', retention: 1_000, processId, end: undefined })
  }
})

t.test('the summary of a log contains its first terminal event', async t => {
  const broker = memoryBroker()
  await begin(broker)
  await publish(broker, ...Array.from({ length: 600 }, String))
  await end(broker, 'first')
  await end(broker, 'second')
  t.equal((await summarizeLog(broker, 'run:a'))!.end!.data, 'first')
})

t.test('a log without its first entry has no summary', async t => {
  const broker = memoryBroker()
  t.equal(await summarizeLog(broker, 'run:a'), undefined)
  for (const payload of [{ data: 'x' }, { event: 'x', comment: 'run g 1000' }, { data: 'x', comment: 'run g 1000' }, { comment: 'other g 1000' }]) {
    await broker.publish('run:a', payload, { history: { ...KEEP_ALL, count: 1 } })
    t.equal(await summarizeLog(broker, 'run:a'), undefined)
  }
})

t.test('a log that is replaced while it is read is read again', async t => {
  const [first, second] = [memoryBroker(), memoryBroker()]
  for (const broker of [first, second]) {
    await begin(broker)
    await publish(broker, ...Array.from({ length: 300 }, String))
  }
  await end(second, 'x')
  let reads = 0
  const broker = { ...first, replay: (...args: Parameters<SseBroker['replay']>) => (reads++ === 0 ? first : second).replay(...args) }
  t.equal((await summarizeLog(broker, 'run:a'))!.end!.data, 'x')
})

t.test('reading a log yields its entries and those published later', async t => {
  const broker = memoryBroker()
  const texts: string[] = []
  const entries: SseEntry[] = []
  await publish(broker, ...Array.from({ length: 300 }, String))
  const reading = (async () => {
    for await (const entry of readLog(broker, 'run:a', {})) {
      texts.push(entry.data!)
      entries.push(entry)
    }
  })()
  while (texts.length < 300) await nextTurn()
  await publish(broker, 'x', 'y')
  while (texts.length < 302) await nextTurn()
  await end(broker, 'z')
  await reading
  t.strictSame(texts, [...Array.from({ length: 300 }, String), 'x', 'y', 'z'])

  const textsAfterId: string[] = []
  for await (const { data } of readLog(broker, 'run:a', { after: entries[300]!.id })) {
    textsAfterId.push(data!)
  }
  t.strictSame(textsAfterId, ['y', 'z'])
})

t.test('aborting the signal stops reading and unsubscribes', async t => {
  const broker = memoryBroker()
  let subscribers = 0
  const countingBroker: SseBroker = {
    publish: broker.publish.bind(broker),
    replay: broker.replay.bind(broker),
    close: broker.close.bind(broker),
    subscribe: async (channel, listener) => {
      subscribers++
      const subscription = await broker.subscribe(channel, listener)
      return { position: subscription.position, unsubscribe: () => { subscribers--; subscription.unsubscribe() } }
    }
  }
  await publish(broker, '1', '2')
  const read = async (signal: AbortSignal, onEntry: (entry: SseEntry) => void = () => {}): Promise<void> => {
    for await (const entry of readLog(countingBroker, 'run:a', { signal })) onEntry(entry)
  }
  const reason = new Error('stop')
  await t.rejects(read(AbortSignal.abort(reason)), reason, 'before the first entry')
  const waiting = new AbortController()
  const texts: string[] = []
  const reading = read(waiting.signal, ({ data }) => { texts.push(data!) })
  while (texts.length < 2) await nextTurn()
  waiting.abort(reason)
  await t.rejects(reading, reason, 'while waiting for the next entry')
  const busy = new AbortController()
  await t.rejects(read(busy.signal, () => busy.abort(reason)), reason, 'between two entries')
  t.equal(subscribers, 0)
})

t.test('leaving ends the reading at once, and unsubscribes', async t => {
  const broker = memoryBroker()
  await begin(broker)
  const leaving = new AbortController()
  const reading = readLog(broker, 'run:a', { leaving: leaving.signal })
  await reading.next()
  const next = reading.next()
  await nextTurn()
  leaving.abort()
  t.strictSame(await next, { done: true, value: undefined })
})

t.test('reading after the terminal event yields nothing, and a log that is gone is reported', async t => {
  const broker = memoryBroker()
  await t.rejects(readLog(broker, 'run:a', {}).next(), { code: 'SSE_ERR_RUN_FORGOTTEN', statusCode: 410 })
  await begin(broker)
  const after = await end(broker, 'x')
  t.strictSame(await readLog(broker, 'run:a', { after }).next(), { done: true, value: undefined })
})

t.test('what a log of another epoch contains is not yielded twice', async t => {
  const broker = memoryBroker()
  await begin(broker)
  await publish(broker, '1', '2')
  const inOtherEpoch = (id: string): string => `other${id}`
  let isOther = false
  const renamed: SseBroker = {
    ...broker,
    subscribe: (...args) => broker.subscribe(...args),
    replay: async (channel, after, count) => {
      if (!isOther) return await broker.replay(channel, after, count)
      const isUnknown = after?.startsWith('other') !== true
      const page = await broker.replay(channel, isUnknown ? undefined : after!.slice(5), count)
      return { ...page, known: !isUnknown, entries: page.entries.map(entry => new SseEntry(inOtherEpoch(entry.id), entry)) }
    }
  }
  const texts: Array<string | undefined> = []
  const reading = (async () => { for await (const { data } of readLog(renamed, 'run:a', {})) texts.push(data) })()
  while (texts.length < 3) await nextTurn()
  isOther = true
  await publish(broker, '3')
  await end(broker, 'x')
  await reading
  t.strictSame(texts, [undefined, '1', '2', '3', 'x'])
})
