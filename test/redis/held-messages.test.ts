import t from 'tap'
import { HeldMessages } from '../../plugin/redis/held-messages.ts'

const MEGABYTES = 1024 * 1024
const messageOf = (size: number) => ({ message: 'x'.repeat(size), pubsubChannel: 'live:a' })

t.test('messages are held in their order until they are taken', async t => {
  const held = new HeldMessages()
  const messages = [messageOf(1), messageOf(2)]
  for (const message of messages) t.equal(held.add(message), true)
  t.strictSame(held.take(), messages)
  t.strictSame(held.take(), [])
})

t.test('if there are too many messages, all are dropped until it is cleared', async t => {
  const held = new HeldMessages()
  t.equal(held.add(messageOf(16 * MEGABYTES)), true)
  t.equal(held.overflowed, false)
  t.equal(held.add(messageOf(1)), false)
  t.equal(held.overflowed, true)
  t.strictSame(held.take(), [])
  t.equal(held.add(messageOf(1)), false)
  t.strictSame(held.take(), [])
  held.clear()
  t.equal(held.overflowed, false)
  t.equal(held.add(messageOf(16 * MEGABYTES)), true)
})
