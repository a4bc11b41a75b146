import t from 'tap'
import { Keys } from '../../plugin/redis/keys.ts'

const keys = new Keys('app:', '0')

t.test('all keys of a partition have one hash tag, whatever a channel is called', async t => {
  for (const key of [keys.log, keys.wait, keys.history('{a}'), keys.once('}{', '{b}'), keys.live('{}'), keys.node('1')]) {
    t.equal(/\{(.*?)\}/.exec(key)![1], '0', key)
    t.ok(key.startsWith('app:'))
  }
})

t.test('what has another name has another key', async t => {
  const names = ['a', 'A', 'a\nb', 'a\\nb', '"', '\\"', '\uD800', '\uD801', '\uFFFD', '', ' ', 'é', 'e\u0301']
  const all = names.flatMap(name => [keys.history(name), keys.live(name), ...names.map(other => keys.once(name, other))])
  // As Redis has them.
  t.equal(new Set(all.map(key => Buffer.from(key).toString('hex'))).size, names.length * (2 + names.length))
})

t.test('a usual name is its own', async t => {
  t.equal(keys.history('orders/1:é'), 'app:{0}:history:orders/1:é')
})
