import { inspect } from 'node:util'
import t from 'tap'
import { UpstreamMessage } from '../../plugin/llm/upstream-message.ts'

t.test('a message is kept up to 1,000 characters, without control characters', t => {
  t.match(new UpstreamMessage('CUDA out of memory'), { name: 'UpstreamMessage', message: 'CUDA out of memory', stack: 'UpstreamMessage: CUDA out of memory' })
  t.equal(new UpstreamMessage('a\n\u001b[31mb\u2028c').message, 'a [31mb c')
  t.equal(new UpstreamMessage('x '.repeat(5_000)).message.length, 1_000)
  t.equal(new UpstreamMessage('Model gpt-5-mini-2025-08-07 failed (request req_0123456789abcdef0123456789abcdef)').message,
    'Model gpt-5-mini-2025-08-07 failed (request req_0123456789abcdef0123456789abcdef)')
  t.end()
})

t.test('keys that servers quote are removed', t => {
  const messages = [
    'Incorrect API key provided: sk-proj-5ecretABC.', 'Incorrect API key provided: 5ecr***************cret. You can find it', 'bad token Bearer 5ecret5ecret', 'header Basic NWVjcmV0OjVlY3JldA==5ecret',
    'key sk-ant-5ecret-1', 'eyJhbGciOi5ecret.5ecret.5ecret', 'invalid key 0123456789abcdef0123456789ab5ecret', 'AIza5ecret5ecret', 'gsk_5ecret5ecret'
  ]
  for (const message of messages) {
    const error = new UpstreamMessage(message)
    t.notMatch(inspect(error, { showHidden: true }), /5ecret|5ecr|NWVj/, message)
    t.match(error.message, /\[redacted\]/, message)
  }
  t.end()
})

t.test('configured secrets are removed from the message and the stack', t => {
  const error = new UpstreamMessage('The key my-key and my-key again')
  error.redact(['my-key', 'another'])
  t.equal(error.message, 'The key [redacted] and [redacted] again')
  t.notMatch(inspect(error, { showHidden: true }), /my-key/)
  t.end()
})
