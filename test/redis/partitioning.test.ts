import t from 'tap'
import { hashSlot } from '../../plugin/redis/hash-slots.ts'
import { partitionHashTags, partitionOf } from '../../plugin/redis/partitioning.ts'

t.test('the slot of each partition is in the middle of its range', async t => {
  for (const partitions of [1, 2, 3, 12, 1_024]) {
    const rangeSize = 16_384 / partitions
    const hashTags = partitionHashTags(partitions)
    t.equal(new Set(hashTags).size, partitions)
    t.ok(hashTags.every((hashTag, partition) => hashSlot(hashTag) === Math.floor((partition + 0.5) * rangeSize)), `${partitions} partitions`)
  }
})

t.test('the hash tags never change, because published events are stored under them', async t => {
  t.strictSame(partitionHashTags(1), ['8209'])
  t.strictSame(partitionHashTags(3), ['21418', '8209', '16418'])
})

t.test('channels with the same tag are in the same partition, whatever else is in their names', async t => {
  const distinct = (...names: string[]): number => new Set(names.map(name => partitionOf(name, 1_000_000))).size
  t.equal(distinct('{a}:prices', '{a}:news', 'a', 'x{a}', '{a}{b}', '{a}}'), 1)
  t.equal(distinct('{}a', 'a', '{', '}', '{a', 'a}', '}{a}b}{', '{{a}', '{}{a}'), 9 - 2, 'the tags of two are the names of others')
})

t.test('channels are spread over all partitions', async t => {
  const counts = Array<number>(12).fill(0)
  for (let number = 0; number < 12_000; number++) counts[partitionOf(`run:${number}`, 12)]!++
  t.ok(counts.every(count => count > 700 && count < 1_300), counts.join())
})
