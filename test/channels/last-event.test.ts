import t from 'tap'
import { isLastEvent } from '../../plugin/channels/last-event.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import type { SseFilter } from '../../plugin/channels/options.ts'
import { HISTORY, publish, turns } from '../fixtures/subscriber.ts'
import { mockClock } from '../fixtures/clock.ts'

const isEnd: SseFilter = ({ data }) => data === 'end'
const parameters = { filter: undefined, until: isEnd, context: undefined }

t.test('an event for which `until` returns true is the last one', async t => {
  const broker = memoryBroker()
  const [first, end, late] = await publish(broker, 'a', ['1', 'end', '3'])
  const [other] = await publish(broker, 'b', ['end'])
  for (const [id, expected] of [[first, false], [end, true], [late, false], [other, false], ['not an id', false], ['e.5-0', false]] as const) {
    t.equal(await isLastEvent(broker, ['a'], id!, parameters), expected, id!)
  }
  t.equal(await isLastEvent(broker, ['a', 'b'], other!, parameters), true, 'on any of several channels')
  t.equal(await isLastEvent(broker, ['a'], end!, { ...parameters, until: undefined }), false)
})

t.test('an event that the filter rejects was not received', async t => {
  const broker = memoryBroker()
  const [end] = await publish(broker, 'a', ['end'])
  t.equal(await isLastEvent(broker, ['a'], end!, { ...parameters, filter: () => false }), false)
  t.equal(await isLastEvent(broker, ['a'], end!, { ...parameters, filter: () => true }), true)
})

t.test('filter and until receive the channel and the context', async t => {
  const broker = memoryBroker()
  const context = {}
  const received: unknown[] = []
  const record: SseFilter = (_entry, ...others) => received.push(...others) > 0
  const [end] = await publish(broker, 'a', ['end'])
  await isLastEvent(broker, ['a'], end!, { filter: record, until: record, context })
  t.strictSame(received, ['a', context, 'a', context])
})

t.test('an event that the history has lost is unknown', async t => {
  const broker = memoryBroker()
  const [end] = await publish(broker, 'a', ['end', '2', '3'], { ...HISTORY, count: 2 })
  t.equal(await isLastEvent(broker, ['a'], end!, parameters), false)
})

t.test('a broker that does not respond delays the answer by at most a second', async t => {
  const { advance } = mockClock(t)
  const broker = memoryBroker()
  const [end] = await publish(broker, 'a', ['end'])
  let reject = (_error: Error): void => {}
  broker.replay = () => new Promise((_resolve, _reject) => { reject = _reject })
  let result: unknown
  isLastEvent(broker, ['a'], end!, parameters).then(value => { result = value })
  advance(999)
  await turns()
  t.equal(result, undefined)
  advance(1)
  await turns()
  t.equal(result, false)
  reject(new Error('too late'))
  await turns()
})

t.test('rejects with the errors of callbacks', async t => {
  const broker = memoryBroker()
  const [end] = await publish(broker, 'a', ['end'])
  await t.rejects(isLastEvent(broker, ['a'], end!, { ...parameters, until: () => { throw new Error('until failed') } }), { message: 'until failed' })
})

t.test('an event is unknown to a broker that fails', async t => {
  const broker = memoryBroker()
  const [end] = await publish(broker, 'a', ['end'])
  await broker.close()
  t.equal(await isLastEvent(broker, ['a'], end!, parameters), false)
})
