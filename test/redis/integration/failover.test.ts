import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import { epochOf } from '../../../plugin/wire/event-id.ts'
import { eventually } from '../../fixtures/eventually.ts'
import { suiteWith } from '../../fixtures/programs.ts'
import { record } from '../../fixtures/recorder.ts'
import { openBroker, publish, publishEventually, UNAVAILABLE } from '../../fixtures/redis-broker.ts'
import { RedisServer } from '../../fixtures/redis-server.ts'
import { TcpProxy } from '../../fixtures/tcp-proxy.ts'

suiteWith(t, 'redis-server', 'failover to a replica', async (t, program) => {
  /** Starts a primary and a replica behind an address that can lead to either. */
  async function setup (t: Test) {
    const [primary, replica] = [await RedisServer.start(t, program), await RedisServer.start(t, program)]
    const proxy = await TcpProxy.start(t, primary)
    return { primary, replica, proxy }
  }

  const hasHistory = async (server: RedisServer): Promise<void> => await eventually(async () => { assert.equal(await server.command('XLEN', 'sse:{0}:history:a'), 1) })

  t.test('when a replica with all data takes over, nothing is missed', async t => {
    const { primary, replica, proxy } = await setup(t)
    await replica.replicate(primary)
    const broker = openBroker(t, proxy)
    const recorder = await record(broker, 'a')
    await publish(broker, 'a', 'before')
    await hasHistory(replica)
    await primary.kill()
    await replica.command('REPLICAOF', 'NO', 'ONE')
    proxy.target = replica.port
    await publishEventually(broker, 'a', 'after')
    await recorder.receives('before', 'after')
    t.equal(recorder.breaks, 0)
  })

  t.test('when a replica takes over that was behind, every listener receives a break and no known id is assigned again', async t => {
    const { primary, replica, proxy } = await setup(t)
    await replica.replicate(primary)
    const [broker, other] = [openBroker(t, proxy), openBroker(t, proxy)]
    const [recorder, elsewhere] = [await record(broker, 'a'), await record(other, 'b')]
    const { id: kept } = await publish(broker, 'a', 'kept')
    await hasHistory(replica)
    // From now on it receives nothing, which neither the primary nor the brokers know.
    await replica.command('REPLICAOF', 'NO', 'ONE')
    const { id: lost } = await publish(broker, 'a', 'lost')
    await recorder.receives('kept', 'lost')
    await primary.kill()
    proxy.target = replica.port
    await recorder.receivesBreak()
    await elsewhere.receivesBreak()
    const after = await publishEventually(other, 'a', 'after')
    t.not(epochOf(after.id), epochOf(lost))
    for (const id of [kept, lost]) {
      const page = await eventually(async () => {
        const page = await broker.replay('a', id, 10)
        assert.equal(page.entries.length, 2)
        return page
      })
      t.equal(page.known, false)
      t.strictSame(page.entries.map(({ data }) => data), ['kept', 'after'])
    }
  })

  t.test('at a replica publishing rejects, and works again as soon as there is a primary', async t => {
    const { primary, replica, proxy } = await setup(t)
    const broker = openBroker(t, proxy)
    const recorder = await record(broker, 'a')
    await publish(broker, 'a', 'before')
    await replica.replicate(primary)
    await primary.command('REPLICAOF', '127.0.0.1', `${replica.port}`)
    // The outcome of commands that are pending when Redis refuses the first one is unknown.
    await eventually(() => assert.rejects(publish(broker, 'a', 'x'), UNAVAILABLE))
    await replica.command('REPLICAOF', 'NO', 'ONE')
    proxy.target = replica.port
    await publishEventually(broker, 'a', 'after')
    await recorder.receives('before', 'after')
  })
})
