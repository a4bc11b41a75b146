import t from 'tap'
import { Feed } from '../../plugin/redis/subscribed-channel.ts'
import { Ear } from '../fixtures/redis.ts'

t.test('when it stands somewhere, all who follow it stand there', async t => {
  const feed = new Feed('a', 'live:a')
  t.equal(feed.last, undefined)
  const seats = [{ listener: new Ear(), given: '' }, { listener: new Ear(), given: 'e.1-0' }]
  for (const seat of seats) feed.seats.add(seat)
  feed.stand('e.2-0')
  t.strictSame([feed.last, ...seats.map(({ given }) => given)], ['e.2-0', 'e.2-0', 'e.2-0'])
})
