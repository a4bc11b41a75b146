import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import type { SseBroker } from '../../plugin/channels/broker.ts'
import type { SseEntry } from '../../plugin/wire/entry.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { endLog, isEnd, KEEP_ALL, readLog, runChannel, startLog, summarizeLog } from '../../plugin/runs/run-log.ts'

const publish = async (broker: SseBroker, ...texts: string[]): Promise<void> => {
  for (const data of texts) await broker.publish('run:a', { data }, { history: KEEP_ALL })
}

t.test('the id of a run determines its channel', async t => {
  t.equal(runChannel('a'), 'run:a')
  t.equal(runChannel('x'.repeat(200)).length, 204)
  for (const id of ['', 'a\nb', 'x'.repeat(201), 7, undefined]) t.throws(() => runChannel(id), { code: 'SSE_ERR_RUN_ID', statusCode: 400 })
})

t.test('a log is started once', async t => {
  const broker = memoryBroker()
  t.strictSame(await Promise.all([1, 2, 3].map(async () => await startLog(broker, 'run:a'))), ['started', 'exists', 'exists'])
  t.strictSame(await summarizeLog(broker, 'run:a'), { processId: undefined, end: undefined })
  t.equal(await summarizeLog(broker, 'run:b'), undefined)
})

t.test('a log that was deleted a short time ago cannot be started', async t => {
  const broker = memoryBroker()
  await startLog(broker, 'run:a')
  await broker.publish('run:a', { data: 'x' }, { history: { ...KEEP_ALL, count: 0 } })
  t.equal(await startLog(broker, 'run:a'), 'deleted')
})

t.test('only the first terminal event ends a log', async t => {
  const broker = memoryBroker()
  await startLog(broker, 'run:a')
  await publish(broker, ...Array.from({ length: 600 }, String))
  await endLog(broker, 'run:a', 'failed', '{}', 0)
  await endLog(broker, 'run:a', 'done', '{}', 0)
  await publish(broker, 'late')
  await broker.publish('run:a', { event: 'done', data: 'late' }, { history: KEEP_ALL })
  t.equal((await summarizeLog(broker, 'run:a'))!.end!.event, 'failed')
})

t.test('a log without its first entry has no summary', async t => {
  const broker = memoryBroker()
  await startLog(broker, 'run:a')
  await broker.publish('run:a', { data: 'x' }, { history: { ...KEEP_ALL, count: 1 } })
  t.equal(await summarizeLog(broker, 'run:a'), undefined)
})

t.test('ending a log rejects if the broker fails', async t => {
  const broker = memoryBroker()
  await broker.close()
  await t.rejects(endLog(broker, 'run:a', 'done', '{}', 0), { code: 'SSE_ERR_BROKER_CLOSED' })
})

t.test('reading a log yields its entries and those published later', async t => {
  const broker = memoryBroker()
  const texts: string[] = []
  const entries: SseEntry[] = []
  await publish(broker, ...Array.from({ length: 300 }, String))
  const reading = (async () => {
    for await (const entry of readLog(broker, 'run:a', undefined, undefined)) {
      texts.push(entry.data!)
      entries.push(entry)
      if (isEnd(entry)) return
    }
  })()
  while (texts.length < 300) await nextTurn()
  await publish(broker, 'x', 'y')
  while (texts.length < 302) await nextTurn()
  await endLog(broker, 'run:a', 'done', 'z', 0)
  await reading
  t.strictSame(texts, [...Array.from({ length: 300 }, String), 'x', 'y', 'z'])

  const textsAfterId: string[] = []
  for await (const { data } of readLog(broker, 'run:a', entries[300]!.id, undefined)) {
    textsAfterId.push(data!)
    if (data === 'z') break
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
    for await (const entry of readLog(countingBroker, 'run:a', undefined, signal)) onEntry(entry)
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
