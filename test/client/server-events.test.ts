import t from 'tap'
import { isServerEvent, parseGaps, parseServerError } from '../../plugin/client/server-events.ts'

t.test('only the documented types that begin with `sse-` are events about a stream', async t => {
  t.strictSame(['sse-error', 'sse-gap', 'sse-ready', 'sse-reset', 'sse-heartbeat', 'sse-other', 'message'].map(isServerEvent), [true, true, true, true, true, false, false])
})

t.test('gaps are parsed, and malformed data is an empty list', async t => {
  const gap = { channel: 'a', from: '1', to: '2' }
  t.strictSame(parseGaps(JSON.stringify({ gaps: [gap] })), [gap])
  for (const data of ['', 'null', '{}', '{"gaps":1}', '5']) t.strictSame(parseGaps(data), [], data)
})

t.test('an error from the server keeps its code, if it has one', async t => {
  t.match(parseServerError('{"code":"SSE_ERR_SERIALIZE"}'), { code: 'SSE_CLIENT_ERR_SERVER', serverCode: 'SSE_ERR_SERIALIZE', message: 'The server ended the stream with the error SSE_ERR_SERIALIZE' })
  for (const data of ['', 'null', '{}', '{"code":5}']) {
    t.match(parseServerError(data), { code: 'SSE_CLIENT_ERR_SERVER', serverCode: undefined, message: 'The server ended the stream with an error' }, data)
  }
})
