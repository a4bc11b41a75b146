import t from 'tap'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { KEEP_ALL } from '../../plugin/runs/run-log.ts'
import { RunLogWatch } from '../../plugin/runs/run-log-watch.ts'
import { settle } from '../fixtures/runs.ts'
import { UnreliableBroker } from '../fixtures/unreliable-broker.ts'

async function setup (broker = memoryBroker()) {
  const calls: unknown[] = []
  const watch = new RunLogWatch(broker, 'run:a', { onEnd: ({ data }) => calls.push(data), onBreak: () => calls.push('break') })
  await watch.subscribe()
  const publish = async (data: string, event?: string): Promise<string> => {
    const { id } = await broker.publish('run:a', { data, event }, { history: KEEP_ALL })
    await settle(2)
    return id
  }
  return { watch, calls, publish }
}

t.test('an end that arrives before the beginning is confirmed counts if it follows the beginning', async t => {
  const late = await setup()
  const id = await late.publish('beginning')
  await late.publish('end', 'done')
  t.strictSame(late.calls, [])
  late.watch.onBegun(id)
  t.strictSame(late.calls, ['end'])

  const earlier = await setup()
  await earlier.publish('end of an earlier run', 'done')
  earlier.watch.onBegun(await earlier.publish('beginning'))
  await earlier.publish('x')
  await earlier.publish('end', 'aborted')
  t.strictSame(earlier.calls, ['end'])
  earlier.watch.unsubscribe()
  await settle(1)
  await earlier.publish('another end', 'done')
  t.strictSame(earlier.calls, ['end'])
})

t.test('breaks before the beginning do not count', async t => {
  const broker = new UnreliableBroker()
  const { watch, calls } = await setup(broker)
  broker.breakAll()
  t.strictSame(calls, [])
  watch.onBegun('x')
  broker.breakAll()
  t.strictSame(calls, ['break'])
})

t.test('unsubscribing after a subscription that the broker has refused does nothing', async t => {
  const broker = memoryBroker()
  await broker.close()
  const watch = new RunLogWatch(broker, 'run:a', { onEnd: () => {}, onBreak: () => {} })
  await t.rejects(watch.subscribe(), { code: 'SSE_ERR_BROKER_CLOSED' })
  watch.unsubscribe()
  await settle(1)
})
