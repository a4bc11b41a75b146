import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import { createClient } from 'redis'
import { suiteWith } from '../fixtures/programs.ts'
import { brokerOn, Ear, eventually, insist, publish, RedisServer } from '../fixtures/redis.ts'

const UNAVAILABLE = { code: 'SSE_ERR_BROKER_UNAVAILABLE', statusCode: 503 }

async function offset (server: RedisServer): Promise<string> {
  return /(?:master|slave)_repl_offset:(\d+)/.exec(`${await server.command('INFO', 'replication')}`)![1]!
}

suiteWith(t, 'redis-server', 'a broker whose Redis is watched over by Sentinels', async (t, program) => {
  /** A primary, a replica, and Sentinels that know of both. */
  async function start (t: Test, count: number) {
    const primary = await RedisServer.start(t, program)
    const replica = await RedisServer.start(t, program)
    await replica.follow(primary)
    const sentinels = await Promise.all(Array.from({ length: count }, () => RedisServer.startSentinel(t, program, 'main', primary, Math.ceil(count / 2))))
    for (const sentinel of sentinels) {
      await eventually(async () => {
        assert.match(`${await sentinel.command('SENTINEL', 'CKQUORUM', 'main')}`, /^OK/)
        assert.equal((await sentinel.command('SENTINEL', 'REPLICAS', 'main') as unknown[]).length, 1)
      })
    }
    return { primary, replica, sentinels, url: sentinels.map(({ url }) => url) }
  }

  t.test('when the primary is killed, who follows hears what is published to the next, and misses nothing', async t => {
    const { primary, replica, sentinels: [first], url } = await start(t, 3)
    const options = { sentinel: { name: 'main' } }
    const [broker, other] = [brokerOn(t, { url }, options), brokerOn(t, { url }, options)]
    const [ear, quiet] = [await Ear.on(broker, 'a'), await Ear.on(broker, 'quiet')]
    const { id } = await publish(other, 'a', 'before')
    await first!.kill()
    await eventually(async () => { assert.equal(await offset(replica), await offset(primary)) })
    await primary.kill()
    await eventually(() => assert.rejects(publish(other, 'a', 'x'), UNAVAILABLE))
    await insist(other, 'a', 'after')
    await ear.hears('before', 'after')
    t.match(`${await replica.command('ROLE')}`, /^master/)
    const { known, lost, entries } = await broker.replay('a', id, 10)
    t.strictSame([known, lost, entries.map(({ data }) => data)], [true, undefined, ['after']])

    // It takes itself for the primary, until Sentinels make it a replica.
    await primary.start()
    await publish(other, 'a', 'at last')
    await ear.hears('before', 'after', 'at last')
    t.strictSame([ear.breaks, quiet.breaks], [0, 0])
  })

  t.test('Sentinels have users of their own, and what Redis wants goes for Redis', async t => {
    const { primary, sentinels: [sentinel], url } = await start(t, 1)
    await primary.command('ACL', 'SETUSER', 'somebody', 'on', '>secret', 'allcommands', 'allkeys', 'allchannels')
    await sentinel!.command('ACL', 'SETUSER', 'watcher', 'on', '>other', '+hello', '+sentinel|get-master-addr-by-name')
    await sentinel!.command('ACL', 'SETUSER', 'default', 'off')
    const said: string[] = []
    const options = { sentinel: { name: 'main', username: 'watcher', password: 'other' }, onError: ({ message }: Error) => { said.push(message) } }
    const client = createClient({ username: 'somebody', password: 'secret', database: 1 })
    for (const broker of [
      brokerOn(t, { url: url[0]!.replace('//', '//somebody:secret@') + '/1' }, options),
      brokerOn(t, { url: url[0]! }, { ...options, client })
    ]) {
      const ear = await Ear.on(broker, 'a')
      await publish(broker, 'a', 'x')
      await ear.hears('x')
      await broker.close()
    }
    t.strictSame(said, [])
    t.match(await primary.command('INFO', 'keyspace'), /db1:keys=/)
    const refused: string[] = []
    await t.rejects(publish(brokerOn(t, { url }, { sentinel: { name: 'main' }, onError: ({ message }) => { refused.push(message) } }), 'a', 'x'), UNAVAILABLE)
    t.match(refused, [/NOAUTH|WRONGPASS|disabled/i])
  })

  t.test('a name that they do not know is said', async t => {
    const primary = await RedisServer.start(t, program)
    const sentinel = await RedisServer.startSentinel(t, program, 'main', primary, 1)
    const broker = brokerOn(t, sentinel, { sentinel: { name: 'other' } })
    await t.rejects(publish(broker, 'a', 'x'), { ...UNAVAILABLE, message: /The Sentinel watches over no other/ })
  })
})
