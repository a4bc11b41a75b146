import t from 'tap'
import { partitionOf, slotOf, tagsOf } from '../../plugin/redis/hash-slots.ts'

t.test('a slot is that of the specification of Redis Cluster', async t => {
  t.equal(slotOf('123456789'), 0x31C3)
  t.equal(slotOf('foo'), 12_182)
  t.equal(slotOf('é'), 10_180)
  t.equal(slotOf(''), 0)
})

t.test('each partition lies in the middle of its part of the slots', async t => {
  for (const partitions of [1, 2, 3, 12, 1_024]) {
    const part = 16_384 / partitions
    const tags = tagsOf(partitions)
    t.equal(new Set(tags).size, partitions)
    t.ok(tags.every((tag, number) => slotOf(tag) === Math.floor((number + 0.5) * part)), `${partitions}`)
  }
})

t.test('the hash tags are always the same: in them is what was published', async t => {
  t.strictSame(tagsOf(1), ['8209'])
  t.strictSame(tagsOf(3), ['21418', '8209', '16418'])
})

t.test('channels with the same tag are of one partition, whatever else is in their names', async t => {
  const all = (...names: string[]): number => new Set(names.map(name => partitionOf(name, 1_000_000))).size
  t.equal(all('{a}:prices', '{a}:news', 'a', 'x{a}', '{a}{b}', '{a}}'), 1)
  t.equal(all('{}a', 'a', '{', '}', '{a', 'a}', '}{a}b}{', '{{a}', '{}{a}'), 9 - 2, 'the tags of two are the names of others')
})

t.test('channels are spread over all partitions', async t => {
  const counts = Array<number>(12).fill(0)
  for (let number = 0; number < 12_000; number++) counts[partitionOf(`run:${number}`, 12)]!++
  t.ok(counts.every(count => count > 700 && count < 1_300), counts.join())
})
