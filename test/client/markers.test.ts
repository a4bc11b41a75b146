import t from 'tap'
import { gapsIn, serverErrorIn } from '../../plugin/client/markers.ts'

t.test('gaps are read', async t => {
  const gap = { channel: 'a', from: '1', to: '2' }
  t.strictSame(gapsIn(JSON.stringify({ gaps: [gap] })), [gap])
  for (const data of ['', 'null', '{}', '{"gaps":1}', '5']) t.strictSame(gapsIn(data), [], data)
})

t.test('the code of an error is read', async t => {
  t.match(serverErrorIn('{"code":"SSE_ERR_SERIALIZE"}'), { code: 'SSE_ERR_SERVER', serverCode: 'SSE_ERR_SERIALIZE', message: 'The server ended the stream with an error, SSE_ERR_SERIALIZE' })
  for (const data of ['', 'null', '{}', '{"code":5}']) {
    t.match(serverErrorIn(data), { code: 'SSE_ERR_SERVER', serverCode: undefined, message: 'The server ended the stream with an error' }, data)
  }
})
