import t from 'tap'
import { channelName } from '../../plugin/channels/channel-name.ts'

t.test('a channel name has 1 to 255 characters and no control characters, and does not start with sse-', async t => {
  for (const name of ['a', 'price:BTC/EUR', 'ü', ' ', 'sse', 'SSE-a', 'a:sse-', 'x'.repeat(255)]) t.equal(channelName(name), name)
  for (const name of ['', 'x'.repeat(256), 'a\nb', 'a\0', '\x7f', 'sse-', 'sse-closed-keys', 5, null, undefined, ['a']]) t.throws(() => channelName(name), { code: 'SSE_ERR_CHANNEL' })
  t.throws(() => channelName('a\nb'), { code: 'SSE_ERR_CHANNEL', detail: 'received "a\\nb"' })
})
