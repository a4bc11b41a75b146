import t from 'tap'
import type { SseBroker } from '../../plugin/channels/broker.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { brokerContract, type BrokerCase } from '../../plugin/testing/broker-contract.ts'
import type { CreateBroker } from '../../plugin/testing/broker-harness.ts'
import { closeFaults } from '../fixtures/broker-faults/close.ts'
import { concurrencyFaults } from '../fixtures/broker-faults/concurrency.ts'
import { expectationFaults } from '../fixtures/broker-faults/expectation.ts'
import { historyFaults } from '../fixtures/broker-faults/history.ts'
import { idempotencyFaults } from '../fixtures/broker-faults/idempotency.ts'
import { publishFaults } from '../fixtures/broker-faults/publish.ts'
import { subscribeFaults } from '../fixtures/broker-faults/subscribe.ts'
import { faultyBroker } from '../fixtures/faulty-broker.ts'

function firstCase (create: CreateBroker): BrokerCase {
  return brokerContract(create)[0]!
}

t.test('the contract contains the cases of all groups, and each has a fault that it must detect', async t => {
  const names = brokerContract(memoryBroker).map(({ name }) => name)
  t.strictSame(names.sort(), Object.keys({ ...publishFaults, ...subscribeFaults, ...historyFaults, ...concurrencyFaults, ...idempotencyFaults, ...expectationFaults, ...closeFaults }).sort())
})

t.test('no broker is created until a case runs', async t => {
  const brokers: SseBroker[] = []
  const { run } = firstCase(() => {
    brokers.push(memoryBroker())
    return brokers[0]!
  })
  t.equal(brokers.length, 0)
  await run()
  t.equal(brokers.length, 1)
  await t.rejects(brokers[0]!.replay('a', undefined, 1), { code: 'SSE_ERR_BROKER_CLOSED' }, 'the case closed its broker')
})

t.test('a broker may be created asynchronously', async () => {
  await firstCase(async () => memoryBroker()).run()
})

t.test('a case closes its broker when it fails', async t => {
  let closed = 0
  const create = (): SseBroker => faultyBroker(() => ({
    publish: async () => { throw new Error('not implemented') },
    close: async () => { closed++ }
  }))
  await t.rejects(firstCase(create).run(), { message: 'not implemented' })
  t.equal(closed, 1)
})

t.test('a case rejects if the broker cannot be created', async t => {
  await t.rejects(firstCase(() => { throw new Error('no connection') }).run(), { message: 'no connection' })
})

t.test('invalid arguments throw', async t => {
  for (const create of [undefined, null, memoryBroker()]) {
    t.throws(() => brokerContract(create as unknown as CreateBroker), { code: 'SSE_ERR_OPTION', message: /^The first argument of brokerContract\(\) must be a function that returns a broker$/, detail: /^received / })
  }
  t.throws(() => brokerContract(memoryBroker, { timeout: -1 }), { code: 'SSE_ERR_OPTION' })
})
