import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import { createClient } from '@redis/client'
import { eventually } from '../fixtures/eventually.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { record } from '../fixtures/recorder.ts'
import { openBroker, publish, publishEventually, UNAVAILABLE } from '../fixtures/redis-broker.ts'
import { RedisServer } from '../fixtures/redis-server.ts'

async function replicationOffset (server: RedisServer): Promise<string> {
  return /(?:master|slave)_repl_offset:(\d+)/.exec(`${await server.command('INFO', 'replication')}`)![1]!
}

suiteWith(t, 'redis-server', 'a broker that finds Redis through Sentinels', async (t, program) => {
  /** Starts a primary, a replica, and Sentinels that know of both. */
  async function setup (t: Test, count: number) {
    const primary = await RedisServer.start(t, program)
    const replica = await RedisServer.start(t, program)
    await replica.replicate(primary)
    const sentinels = await Promise.all(Array.from({ length: count }, () => RedisServer.startSentinel(t, program, 'main', primary, Math.ceil(count / 2))))
    for (const sentinel of sentinels) {
      await eventually(async () => {
        assert.match(`${await sentinel.command('SENTINEL', 'CKQUORUM', 'main')}`, /^OK/)
        assert.equal((await sentinel.command('SENTINEL', 'REPLICAS', 'main') as unknown[]).length, 1)
      })
    }
    return { primary, replica, sentinels, url: sentinels.map(({ url }) => url) }
  }

  t.test('when the primary is killed, subscribers receive what is published to the next one and miss nothing', async t => {
    const { primary, replica, sentinels: [first], url } = await setup(t, 3)
    const options = { sentinel: { name: 'main' } }
    const [broker, other] = [openBroker(t, { url }, options), openBroker(t, { url }, options)]
    const [recorder, quiet] = [await record(broker, 'a'), await record(broker, 'quiet')]
    const { id } = await publish(other, 'a', 'before')
    await first!.kill()
    await eventually(async () => { assert.equal(await replicationOffset(replica), await replicationOffset(primary)) })
    await primary.kill()
    await eventually(() => assert.rejects(publish(other, 'a', 'x'), UNAVAILABLE))
    await publishEventually(other, 'a', 'after')
    await recorder.receives('before', 'after')
    t.match(`${await replica.command('ROLE')}`, /^master/)
    const { known, lost, entries } = await broker.replay('a', id, 10)
    t.strictSame([known, lost, entries.map(({ data }) => data)], [true, undefined, ['after']])

    // It believes that it is the primary until Sentinels make it a replica.
    await primary.start()
    await publish(other, 'a', 'at last')
    await recorder.receives('before', 'after', 'at last')
    t.strictSame([recorder.breaks, quiet.breaks], [0, 0])
  })

  t.test('Sentinels have their own users, and the other credentials are for Redis', async t => {
    const { primary, sentinels: [sentinel], url } = await setup(t, 1)
    await primary.command('ACL', 'SETUSER', 'somebody', 'on', '>secret', 'allcommands', 'allkeys', 'allchannels')
    await sentinel!.command('ACL', 'SETUSER', 'watcher', 'on', '>other', '+hello', '+sentinel|get-master-addr-by-name')
    await sentinel!.command('ACL', 'SETUSER', 'default', 'off')
    const errors: string[] = []
    const options = { sentinel: { name: 'main', username: 'watcher', password: 'other' }, onError: ({ message }: Error) => { errors.push(message) } }
    const client = createClient({ username: 'somebody', password: 'secret', database: 1 })
    for (const broker of [
      openBroker(t, { url: url[0]!.replace('//', '//somebody:secret@') + '/1' }, options),
      openBroker(t, { url: url[0]! }, { ...options, client })
    ]) {
      const recorder = await record(broker, 'a')
      await publish(broker, 'a', 'x')
      await recorder.receives('x')
      await broker.close()
    }
    t.strictSame(errors, [])
    t.match(await primary.command('INFO', 'keyspace'), /db1:keys=/)
    const refusals: string[] = []
    const unauthorized = openBroker(t, { url }, { sentinel: { name: 'main' }, onError: ({ message }) => { refusals.push(message) } })
    await t.rejects(publish(unauthorized, 'a', 'x'), UNAVAILABLE)
    t.match(refusals, [/NOAUTH|WRONGPASS|disabled/i])
  })

  t.test('a name that the Sentinels do not know is reported', async t => {
    const primary = await RedisServer.start(t, program)
    const sentinel = await RedisServer.startSentinel(t, program, 'main', primary, 1)
    const broker = openBroker(t, sentinel, { sentinel: { name: 'other' } })
    await t.rejects(publish(broker, 'a', 'x'), { ...UNAVAILABLE, detail: /The Sentinel monitors no primary named other/ })
  })
})
