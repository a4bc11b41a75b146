import t from 'tap'
import { memoryBroker } from '../plugin/channels/memory-broker.ts'
import { resolveHistory, resolvePluginOptions, resolveStreamOptions, type SsePluginOptions, type SseStreamOptions } from '../plugin/options.ts'

const wrong = (options: object): (() => unknown) => () => resolvePluginOptions(options)

t.test('every option has a default', async t => {
  const settings = resolvePluginOptions({})
  t.match(settings, {
    timeout: 0,
    heartbeat: 15_000,
    heartbeatEvent: undefined,
    retry: undefined,
    maxBuffered: 1_048_576,
    overflow: 'close',
    stallTimeout: 30_000,
    headers: {},
    accept: true,
    spaceAfterColon: false,
    broker: undefined,
    lastEventIdParameter: 'lastEventId',
    maxConnections: 10_000,
    maxRuns: 1_000,
    connectionKey: undefined,
    maxConnectionsPerKey: 0,
    refuse: 'status',
    shutdownGrace: 5_000
  })
  t.equal(settings.serializer({ a: 1 }), '{"a":1}')
  t.ok(Object.isFrozen(settings))
})

t.test('every option can be set', async t => {
  const given: Required<SsePluginOptions> = {
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
    broker: memoryBroker(),
    lastEventIdParameter: 'since',
    maxConnections: 0,
    maxRuns: 0,
    connectionKey: () => 'key',
    maxConnectionsPerKey: 3,
    refuse: 'retry',
    shutdownGrace: 0
  }
  t.strictSame(resolvePluginOptions(given), { ...given, expiresAt: undefined })
})

t.test('undefined is as good as not given', async t => {
  t.equal(resolvePluginOptions({ heartbeat: undefined }).heartbeat, 15_000)
  t.equal(resolvePluginOptions({ headers: { 'x-a': undefined } as unknown as Record<string, string> }).headers['x-a'], undefined)
})

t.test('a stream has the plugin\'s options, and its own over them', async t => {
  const defaults = resolvePluginOptions({ heartbeat: 1_000, retry: 0 })
  t.equal(resolveStreamOptions(defaults, undefined), defaults, 'the same object, where there is nothing to add')
  const settings = resolveStreamOptions(defaults, { heartbeat: 0, expiresAt: new Date(5_000) })
  t.match(settings, { heartbeat: 0, retry: 0, expiresAt: 5_000 })
  t.equal(defaults.heartbeat, 1_000, 'left alone')
  t.equal(resolveStreamOptions(defaults, { expiresAt: 7 }).expiresAt, 7)
})

t.test('a wrong value is refused with the rule and the value', async t => {
  const rows: Array<[SsePluginOptions | Record<string, unknown>, string]> = [
    [{ timeout: -1 }, 'Option `timeout` must be a whole number of ms from 0 (0 for none), got -1 (number)'],
    [{ heartbeat: '15s' }, 'Option `heartbeat` must be a whole number of ms from 0 (0 for none), got \'15s\' (string)'],
    [{ heartbeat: Infinity }, 'Option `heartbeat` must be a whole number of ms from 0 (0 for none), got Infinity (number)'],
    [{ heartbeatEvent: '' }, 'Option `heartbeatEvent` must be the type of an event, a non-empty string, got \'\' (string)'],
    [{ heartbeatEvent: 5 }, 'Option `heartbeatEvent` must be the type of an event, a non-empty string, got 5 (number)'],
    [{ retry: 1.5 }, 'Option `retry` must be a whole number of ms from 0 (0 for at once), got 1.5 (number)'],
    [{ maxBuffered: 1_023 }, 'Option `maxBuffered` must be a whole number of bytes from 1024, got 1023 (number)'],
    [{ overflow: 'keep' }, 'Option `overflow` must be \'close\' or \'drop\' or \'latest\', got \'keep\' (string)'],
    [{ broker: { publish () {} } }, 'Option `broker` must be a broker, which has a method subscribe, got { publish: [Function: publish] } (object)'],
    [{ broker: null }, 'Option `broker` must be a broker, which has a method publish, got null (object)'],
    [{ lastEventIdParameter: '' }, 'Option `lastEventIdParameter` must be a non-empty string, got \'\' (string)'],
    [{ stallTimeout: 0 }, 'Option `stallTimeout` must be a whole number of ms from 1, got 0 (number)'],
    [{ serializer: 'json' }, 'Option `serializer` must be a function, got \'json\' (string)'],
    [{ headers: [] }, 'Option `headers` must be an object of header names and values, got [] (object)'],
    [{ headers: null }, 'Option `headers` must be an object of header names and values, got null (object)'],
    [{ headers: { 'Content-Length': 5 } }, 'Option `headers.Content-Length` must be left to the server, which frames the stream, got 5 (number)'],
    [{ headers: { 'content-type': 'text/plain' } }, 'Option `headers.content-type` must be text/event-stream, with parameters if you like, got \'text/plain\' (string)'],
    [{ accept: 'yes' }, 'Option `accept` must be true or false, got \'yes\' (string)'],
    [{ spaceAfterColon: 1 }, 'Option `spaceAfterColon` must be true or false, got 1 (number)'],
    [{ maxConnections: -1 }, 'Option `maxConnections` must be a whole number from 0 (0 for no limit), got -1 (number)'],
    [{ connectionKey: 'ip' }, 'Option `connectionKey` must be a function, got \'ip\' (string)'],
    [{ maxConnectionsPerKey: 3 }, 'Option `maxConnectionsPerKey` needs `connectionKey`, which says whose a stream is, got none'],
    [{ refuse: 'no' }, 'Option `refuse` must be \'status\' or \'retry\', got \'no\' (string)'],
    [{ shutdownGrace: NaN }, 'Option `shutdownGrace` must be a whole number of ms from 0 (0 to cut at once), got NaN (number)'],
    [{ expiresAt: 5 }, 'Option `expiresAt` belongs to one stream: give it to reply.sse(), got it in app.register()']
  ]
  for (const [options, message] of rows) t.throws(wrong(options), { code: 'SSE_ERR_OPTION', message })
  t.throws(wrong({ heartbeatEvent: 'a\nb' }), { code: 'SSE_ERR_EVENT' })

  const defaults = resolvePluginOptions({})
  const expiry = { code: 'SSE_ERR_OPTION', message: /^Option `expiresAt` must be a Date or milliseconds since 1970, got / }
  t.throws(() => resolveStreamOptions(defaults, { expiresAt: new Date(NaN) }), expiry)
  t.throws(() => resolveStreamOptions(defaults, { expiresAt: 'tomorrow' } as unknown as SseStreamOptions), expiry)
})

t.test('a name that is no option is refused, with those there are', async t => {
  t.throws(wrong({ heartBeat: 5 }), { code: 'SSE_ERR_OPTION', message: /^Option `heartBeat` is not an option here; there are timeout, heartbeat, .*, got 5$/ })
  t.throws(() => resolveStreamOptions(resolvePluginOptions({}), { maxConnections: 1 } as SseStreamOptions), { message: /`maxConnections` is not an option here/ })
  t.doesNotThrow(wrong({ prefix: '/x', logLevel: 'info', logSerializers: {} }), 'Fastify\'s own are')
})

t.test('a channel keeps what it is told to, or as much as by default', async t => {
  t.strictSame(resolveHistory(undefined), { count: 1_000, age: 600_000, bytes: 8_388_608 })
  t.strictSame(resolveHistory({ count: 0, age: undefined }), { count: 0, age: 600_000, bytes: 8_388_608 })
  t.throws(() => resolveHistory({ bytes: 5 }), { code: 'SSE_ERR_OPTION', message: 'Option `bytes` must be a whole number of bytes from 1024, got 5 (number)' })
  t.throws(() => resolveHistory({ size: 5 } as object), { message: /`size` is not an option here; there are count, age, bytes/ })
})
