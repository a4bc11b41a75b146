import t from 'tap'
import { resolveBrokerContractOptions, type BrokerContractOptions } from '../../plugin/testing/options.ts'
import { detailed } from '../fixtures/detailed.ts'

t.test('the timeout is 5 s and the seed is random by default', async t => {
  t.match(resolveBrokerContractOptions(), { timeout: 5_000, seed: Number })
  const seeds = new Set(Array.from({ length: 10 }, () => resolveBrokerContractOptions({}).seed))
  t.ok(seeds.size > 1)
})

t.test('options override the defaults', async t => {
  t.strictSame(resolveBrokerContractOptions({ timeout: 1, seed: 0 }), { timeout: 1, seed: 0 })
  t.strictSame(resolveBrokerContractOptions({ timeout: undefined, seed: 2 ** 32 - 1 }), { timeout: 5_000, seed: 2 ** 32 - 1 })
})

t.test('invalid options throw', async t => {
  const rows: Array<[options: unknown, message: string]> = [
    [null, 'The options of brokerContract() must be an object; received null'],
    [{ patience: 5 }, 'Unknown option `patience`; expected one of timeout, seed'],
    [{ timeout: 0 }, 'Option `timeout` must be a positive integer of milliseconds; received 0'],
    [{ seed: -1 }, 'Option `seed` must be an integer from 0 to 4294967295; received -1'],
    [{ seed: 2 ** 32 }, 'Option `seed` must be an integer from 0 to 4294967295; received 4294967296']
  ]
  for (const [options, message] of rows) {
    t.throws(() => resolveBrokerContractOptions(options as BrokerContractOptions), { code: 'SSE_ERR_OPTION', ...detailed(message) })
  }
})
