import t from 'tap'
import { hashSlot } from '../../plugin/redis/hash-slots.ts'

t.test('a hash slot is computed as the Redis Cluster specification defines it', async t => {
  t.equal(hashSlot('123456789'), 0x31C3)
  t.equal(hashSlot('foo'), 12_182)
  t.equal(hashSlot('é'), 10_180)
  t.equal(hashSlot(''), 0)
})
