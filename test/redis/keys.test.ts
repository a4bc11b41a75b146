import t from 'tap'
import { RedisKeys } from '../../plugin/redis/keys.ts'

const keys = new RedisKeys('app:', '0')

t.test('all names of a partition have the same hash tag, whatever a channel is called', async t => {
  for (const name of [keys.log, keys.wait, keys.history('{a}'), keys.publication('}{', '{b}'), keys.pubsubChannel('{}'), keys.markerChannel('1')]) {
    t.equal(/\{(.*?)\}/.exec(name)![1], '0', name)
    t.ok(name.startsWith('app:'))
  }
})

t.test('different channels and idempotency keys have different Redis keys', async t => {
  const names = ['a', 'A', 'a\nb', 'a\\nb', '"', '\\"', '\uD800', '\uD801', '\uFFFD', '', ' ', 'é', 'e\u0301']
  const all = names.flatMap(name => [keys.history(name), keys.pubsubChannel(name), ...names.map(other => keys.publication(name, other))])
  // Redis compares bytes.
  t.equal(new Set(all.map(key => Buffer.from(key).toString('hex'))).size, names.length * (2 + names.length))
})

t.test('an ordinary channel name appears unchanged in the key', async t => {
  t.equal(keys.history('orders/1:é'), 'app:{0}:history:orders/1:é')
})
