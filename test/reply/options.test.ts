import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { REPLY_DEFAULTS, resolveStreamOptions, type SseStreamOptions } from '../../plugin/reply/options.ts'
import { detailed } from '../fixtures/detailed.ts'

const resolve = (options: unknown): object => resolveStreamOptions(REPLY_DEFAULTS, options as SseStreamOptions)

function throws (t: Test, options: unknown, message: string): void {
  t.throws(() => resolve(options), { code: 'SSE_ERR_OPTION', ...detailed(message) })
}

t.test('the options of a stream override those of the plugin', async t => {
  t.equal(resolve(undefined), REPLY_DEFAULTS, 'without options the settings are shared')
  t.match(resolve({ heartbeat: 0, expiresAt: new Date(2e12) }), { heartbeat: 0, timeout: 0, expiresAt: 2e12 })
  t.equal(REPLY_DEFAULTS.heartbeat, 15_000)
})

t.test('an invalid value throws an error with the option, the rule and the value', async t => {
  throws(t, { headers: [] }, 'Option `headers` must be an object of header names and values; received an array')
  throws(t, { headers: null }, 'Option `headers` must be an object of header names and values; received null')
  throws(t, { accept: 'yes' }, 'Option `accept` must be true or false; received "yes"')
  throws(t, { maxConnections: 1 }, 'Unknown option `maxConnections`; expected one of timeout, heartbeat, heartbeatEvent, retry, maxBuffered, overflow, ' +
    'stallTimeout, serializer, expiresAt, spaceAfterColon, context, endLogLevel, headers, accept')
  for (const options of [null, 5, 'x']) throws(t, options, `The options of reply.sse() must be an object; received ${JSON.stringify(options)}`)
})

t.test('a source instead of options throws an error that names sendAll', async t => {
  const rows: Array<[unknown, string]> = [
    [(async function * () {})(), 'an object'], [Readable.from([]), 'an object'], [[1, 2], 'an array'], [new Set(), 'an object'], [() => [], 'a function'],
    [new ReadableStream(), 'an object']
  ]
  for (const [source, text] of rows) throws(t, source, `The options of reply.sse() must be an object. To send the items of a source, pass it to emitter.sendAll(); received ${text}`)
})

t.test('headers have lower-case names and may set the parameters of the content type', async t => {
  t.strictSame(resolve({ headers: { 'Content-Type': 'Text/Event-Stream', 'X-A': ['1', '2'], 'x-b': 3, 'x-c': undefined } }),
    { ...REPLY_DEFAULTS, headers: { 'content-type': 'Text/Event-Stream', 'x-a': ['1', '2'], 'x-b': 3 } })
  throws(t, { headers: { 'content-type': 'text/plain' } }, 'Option `headers.content-type` must be text/event-stream, optionally with parameters; received "text/plain"')
})

t.test('headers that frame the message are rejected', async t => {
  for (const name of ['Content-Length', 'connection', 'Keep-Alive', 'transfer-encoding', 'upgrade', 'proxy-connection']) {
    throws(t, { headers: { [name]: '1' } }, `Option \`headers.${name}\` must be left to the server, which frames the message; received "1"`)
  }
})
