import t, { type Test } from 'tap'
import { resolveOptions } from '../../plugin/base/options.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import {
  broker, resolveChannelOptions, resolveMemoryBrokerOptions, resolveReplayOptions, resolveSubscribeOptions, type SseChannelOptions, type SseReplayOptions,
  type SseSubscribeOptions
} from '../../plugin/channels/options.ts'
import { detailed } from '../fixtures/detailed.ts'

function throws (t: Test, resolve: () => unknown, message: string): void {
  t.throws(resolve, { code: 'SSE_ERR_OPTION', ...detailed(message) })
}

t.test('a channel has a history by default, limited by count, age and bytes', async t => {
  const unset = { schema: undefined, serializerCompiler: undefined }
  t.strictSame(resolveChannelOptions(), { history: { count: 1_000, age: 600_000, bytes: 8_388_608 }, ...unset })
  t.strictSame(resolveChannelOptions({ history: { count: 0, age: undefined } }), { history: { count: 0, age: 600_000, bytes: 8_388_608 }, ...unset })
  t.strictSame(resolveChannelOptions({ history: undefined }), resolveChannelOptions())
  throws(t, () => resolveChannelOptions({ history: { bytes: 5 } }), 'Option `history.bytes` must be an integer of at least 1024 bytes; received 5')
  throws(t, () => resolveChannelOptions({ history: { size: 5 } } as SseChannelOptions), 'Unknown option `history.size`; expected one of count, age, bytes')
  throws(t, () => resolveChannelOptions({ histroy: {} } as SseChannelOptions), 'Unknown option `histroy`; expected one of history')
  throws(t, () => resolveChannelOptions(5 as SseChannelOptions), 'The options of app.sse.channel() must be an object; received 5')
})

t.test('a subscription starts now, with all events and with markers, by default', async t => {
  t.strictSame(resolveSubscribeOptions(undefined), { from: 'now', filter: undefined, until: undefined, markers: true })
  const filter = (): boolean => true
  t.strictSame(resolveSubscribeOptions({ from: 'start', filter, until: filter, markers: false }), { from: 'start', filter, until: filter, markers: false })
  throws(t, () => resolveSubscribeOptions({ from: '' }), 'Option `from` must be a non-empty string; received ""')
  throws(t, () => resolveSubscribeOptions({ filter: true } as unknown as SseSubscribeOptions), 'Option `filter` must be a function; received true')
  throws(t, () => resolveSubscribeOptions(null as unknown as SseSubscribeOptions), 'The options of emitter.subscribe() must be an object; received null')
})

t.test('a replay begins with the oldest event and has up to 1,000 events by default', async t => {
  t.strictSame(resolveReplayOptions(undefined), { after: undefined, count: 1_000 })
  t.strictSame(resolveReplayOptions({ after: '', count: 1 }), { after: '', count: 1 })
  throws(t, () => resolveReplayOptions({ afer: 'x' } as SseReplayOptions), 'Unknown option `afer`; expected one of after, count')
  throws(t, () => resolveReplayOptions({ after: 5 } as unknown as SseReplayOptions), 'Option `after` must be a string; received 5')
  throws(t, () => resolveReplayOptions({ count: 0 }), 'Option `count` must be a positive integer of events; received 0')
})

t.test('a memory broker has up to 100,000 channels by default', async t => {
  t.strictSame(resolveMemoryBrokerOptions(undefined), { maxChannels: 100_000 })
  throws(t, () => resolveMemoryBrokerOptions({ maxChannels: 0 }), 'Option `maxChannels` must be a positive integer of channels; received 0')
  throws(t, () => memoryBroker({ maxChanels: 5 } as object), 'Unknown option `maxChanels`; expected one of maxChannels')
})

t.test('a broker has four methods', async t => {
  const check = (value: unknown): unknown => resolveOptions('a test', { broker: value }, { broker: undefined }, { broker })
  t.doesNotThrow(() => check(memoryBroker()))
  throws(t, () => check({ publish () {} }), 'Option `broker` must be a broker; received a value without the method `subscribe`')
  throws(t, () => check(null), 'Option `broker` must be a broker; received a value without the method `publish`')
})
