import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import type { SseBroker } from '../../plugin/channels/broker.ts'
import type { SseEntry } from '../../plugin/wire/entry.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { beginRun, endRun, inspectRun, isEnd, readLog, runChannel, WHOLE } from '../../plugin/runs/run-log.ts'

const publish = async (broker: SseBroker, ...texts: string[]): Promise<void> => {
  for (const data of texts) await broker.publish('run:a', { data }, { history: WHOLE })
}

t.test('a run has a channel of its own', async t => {
  t.equal(runChannel('a'), 'run:a')
  t.equal(runChannel('x'.repeat(200)).length, 204)
  for (const id of ['', 'a\nb', 'x'.repeat(201), 7, undefined]) t.throws(() => runChannel(id), { code: 'SSE_ERR_RUN_ID', statusCode: 400 })
})

t.test('a run begins once', async t => {
  const broker = memoryBroker()
  t.strictSame(await Promise.all([1, 2, 3].map(async () => await beginRun(broker, 'run:a'))), ['begun', 'exists', 'exists'])
  t.strictSame(await inspectRun(broker, 'run:a'), { process: undefined, end: undefined })
  t.equal(await inspectRun(broker, 'run:b'), undefined)
})

t.test('what is forgotten does not begin anew', async t => {
  const broker = memoryBroker()
  await beginRun(broker, 'run:a')
  await broker.publish('run:a', { data: 'x' }, { history: { ...WHOLE, count: 0 } })
  t.equal(await beginRun(broker, 'run:a'), 'forgotten')
})

t.test('a run ends once, and what comes after that is not its end', async t => {
  const broker = memoryBroker()
  await beginRun(broker, 'run:a')
  await publish(broker, ...Array.from({ length: 600 }, String))
  await endRun(broker, 'run:a', 'failed', '{}', 0)
  await endRun(broker, 'run:a', 'done', '{}', 0)
  await publish(broker, 'stray')
  await broker.publish('run:a', { event: 'done', data: 'stray' }, { history: WHOLE })
  t.equal((await inspectRun(broker, 'run:a'))!.end!.event, 'failed')
})

t.test('a log whose beginning is lost is none', async t => {
  const broker = memoryBroker()
  await beginRun(broker, 'run:a')
  await broker.publish('run:a', { data: 'x' }, { history: { ...WHOLE, count: 1 } })
  t.equal(await inspectRun(broker, 'run:a'), undefined)
})

t.test('what the broker does not take is not an end', async t => {
  const broker = memoryBroker()
  await broker.close()
  await t.rejects(endRun(broker, 'run:a', 'done', '{}', 0), { code: 'SSE_ERR_BROKER_CLOSED' })
})

t.test('a log is read to where it is, and on', async t => {
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
  await endRun(broker, 'run:a', 'done', 'z', 0)
  await reading
  t.strictSame(texts, [...Array.from({ length: 300 }, String), 'x', 'y', 'z'])

  const later: string[] = []
  for await (const { data } of readLog(broker, 'run:a', entries[300]!.id, undefined)) {
    later.push(data!)
    if (data === 'z') break
  }
  t.strictSame(later, ['y', 'z'])
})

t.test('a reading ends when it is told to', async t => {
  const broker = memoryBroker()
  let subscribers = 0
  const counted: SseBroker = {
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
    for await (const entry of readLog(counted, 'run:a', undefined, signal)) onEntry(entry)
  }
  const stop = new Error('stop')
  await t.rejects(read(AbortSignal.abort(stop)), stop, 'before it begins')
  const waiting = new AbortController()
  const texts: string[] = []
  const reading = read(waiting.signal, ({ data }) => { texts.push(data!) })
  while (texts.length < 2) await nextTurn()
  waiting.abort(stop)
  await t.rejects(reading, stop, 'while it waits')
  const busy = new AbortController()
  await t.rejects(read(busy.signal, () => busy.abort(stop)), stop, 'between two entries')
  t.equal(subscribers, 0)
})
