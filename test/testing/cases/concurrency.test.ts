import t from 'tap'
import { brokerContract } from '../../../plugin/testing/index.ts'
import { concurrencyFaults } from '../../fixtures/broker-faults/concurrency.ts'
import { testCases } from '../../fixtures/broker-cases.ts'
import { faultyBroker } from '../../fixtures/faulty-broker.ts'

testCases(t, concurrencyFaults)

t.test('a failure reports the seed', async t => {
  const [name, faults] = Object.entries(concurrencyFaults)[0]!
  const { run } = brokerContract(() => faultyBroker(faults['starts to listen too late']!), { timeout: 150, seed: 4_711 }).find(one => one.name === name)!
  await t.rejects(run(), { message: /\(seed 4711\)/ })
})
