import t from 'tap'
import { memoryBroker } from '../plugin/channels/memory-broker.ts'
import { resolvePluginOptions, type SsePluginOptions } from '../plugin/hub-options.ts'
import { detailed } from './fixtures/detailed.ts'

t.test('every option has a default', async t => {
  const { serializer, ...settings } = resolvePluginOptions({})
  t.strictSame(settings, {
    timeout: 0,
    heartbeat: 15_000,
    heartbeatEvent: undefined,
    retry: undefined,
    maxBuffered: 1_048_576,
    overflow: 'close',
    stallTimeout: 30_000,
    expiresAt: undefined,
    spaceAfterColon: false,
    context: undefined,
    endLogLevel: 'info',
    headers: {},
    accept: true,
    broker: undefined,
    lastEventIdParameter: 'lastEventId',
    maxConnections: 10_000,
    maxRuns: 1_000,
    maxRunBytes: 268_435_456,
    connectionKey: undefined,
    maxConnectionsPerKey: 0,
    maxStreamsPerConnection: 100,
    refuse: 'status',
    shutdownGrace: 5_000
  })
  t.type(serializer, 'function')
})

t.test('every option can be set', async t => {
  const options: Required<SsePluginOptions> = {
    timeout: 1,
    heartbeat: 2,
    heartbeatEvent: 'ping',
    retry: 0,
    maxBuffered: 1_024,
    overflow: 'latest',
    stallTimeout: 1,
    serializer: String,
    headers: { 'x-a': '1' },
    accept: false,
    spaceAfterColon: true,
    endLogLevel: 'silent',
    broker: memoryBroker(),
    lastEventIdParameter: 'since',
    maxConnections: 0,
    maxRuns: 0,
    maxRunBytes: 0,
    connectionKey: () => 'key',
    maxConnectionsPerKey: 3,
    maxStreamsPerConnection: 4,
    refuse: 'retry',
    shutdownGrace: 0
  }
  t.strictSame(resolvePluginOptions(options), { ...options, expiresAt: undefined, context: undefined })
  t.doesNotThrow(() => resolvePluginOptions({ prefix: '/x', logLevel: 'info', logSerializers: {} } as SsePluginOptions), 'Fastify\'s own options are accepted')
})

t.test('an invalid value throws an error with the option, the rule and the value', async t => {
  const rows: Array<[object, string]> = [
    [{ broker: {} }, 'Option `broker` must be a broker; received a value without the method `publish`'],
    [{ lastEventIdParameter: '' }, 'Option `lastEventIdParameter` must be a non-empty string; received ""'],
    [{ maxConnections: -1 }, 'Option `maxConnections` must be a non-negative integer (0 sets no limit); received -1'],
    [{ connectionKey: 'ip' }, 'Option `connectionKey` must be a function; received "ip"'],
    [{ maxConnectionsPerKey: 3 }, 'Option `maxConnectionsPerKey` requires `connectionKey`, which returns the key of a stream'],
    [{ refuse: 'no' }, 'Option `refuse` must be \'status\' or \'retry\'; received "no"'],
    [{ shutdownGrace: NaN }, 'Option `shutdownGrace` must be a non-negative integer of milliseconds (0 closes connections immediately); received NaN'],
    [{ expiresAt: 5 }, 'Option `expiresAt` belongs to a single stream: pass it to reply.sse(); received 5'],
    [{ context: {} }, 'Option `context` belongs to a single stream: pass it to reply.sse(); received an object']
  ]
  for (const [options, message] of rows) t.throws(() => resolvePluginOptions(options), { code: 'SSE_ERR_OPTION', ...detailed(message) })
  t.throws(() => resolvePluginOptions({ heartBeat: 5 } as object), { code: 'SSE_ERR_OPTION', message: /^Unknown option `heartBeat`; expected one of timeout, heartbeat, / })
})
