import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { createClient } from '@redis/client'
import { hashSlot } from '../../plugin/redis/hash-slots.ts'
import { redisBroker, type RedisBroker, type RedisBrokerOptions } from '../../plugin/redis/index.ts'
import { partitionHashTags } from '../../plugin/redis/partitioning.ts'
import type { SseRun } from '../../plugin/runs/run.ts'
import { brokerContract } from '../../plugin/testing/index.ts'
import { build } from '../fixtures/app.ts'
import { eventually } from '../fixtures/eventually.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { record } from '../fixtures/recorder.ts'
import { dataOf, openBroker, publish, publishEventually, UNAVAILABLE } from '../fixtures/redis-broker.ts'
import { RedisCluster } from '../fixtures/redis-cluster.ts'
import type { RedisServer } from '../fixtures/redis-server.ts'

const DOCUMENT = readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8')
/** As many as there are primaries. */
const PARTITIONS = 3
const SLOTS = partitionHashTags(PARTITIONS).map(hashSlot)

/** The name of a channel in a partition. */
function channelIn (broker: RedisBroker, partition: number): string {
  for (let number = 0; ; number++) if (broker.partition!(`${number}`) === partition) return `${number}`
}

suiteWith(t, 'redis-server', 'a broker in a Redis Cluster', async (t, program) => {
  const cluster = await RedisCluster.start(t, program, PARTITIONS)
  const { servers, url } = cluster
  const open = (t: Test, options: RedisBrokerOptions = {}): RedisBroker => openBroker(t, { url }, { cluster: { partitions: PARTITIONS }, ...options })

  const hasConnections = async (server: RedisServer, count: number): Promise<void> => await eventually(async () => { assert.equal(await server.connectionCount(), count) })
  const hasNoChannels = async (server: RedisServer, command = 'SHARDCHANNELS', pattern = '*:live:*'): Promise<void> => await eventually(async () => { assert.deepEqual(await server.command('PUBSUB', command, pattern), []) })

  for (const { name, run } of brokerContract(() => redisBroker({ url, cluster: { partitions: PARTITIONS } }), { timeout: 30_000 })) t.test(name, run)

  t.test('with as many partitions as nodes, it opens two connections to each, however many channels are followed, and closes them', async t => {
    for (const server of servers) await hasConnections(server, 0)
    const broker = open(t)
    t.equal(broker.ready, false)
    const recorders = await Promise.all(Array.from({ length: 100 }, (_, number) => record(broker, `${number}`)))
    for (const server of servers) await hasConnections(server, 2)
    t.equal(broker.ready, true)
    for (const { subscription } of recorders) subscription.unsubscribe()
    for (const server of servers) await hasNoChannels(server)
    await broker.close()
    t.equal(broker.ready, false)
    for (const server of servers) await hasConnections(server, 0)
  })

  for (const sharded of [true, false]) {
    t.test(`an event reaches its subscribers ${sharded ? 'through sharded pub/sub' : 'through the pub/sub of the whole cluster'}`, async t => {
      const [broker, other] = [0, 1].map(() => open(t, { prefix: `${sharded}:`, cluster: { partitions: PARTITIONS, sharded } })) as [RedisBroker, RedisBroker]
      const recorders = await Promise.all([0, 1, 2].map(partition => record(broker, channelIn(broker, partition))))
      const [command, pattern] = [sharded ? 'SHARDCHANNELS' : 'CHANNELS', `${sharded}:*:live:*`]
      const subscribed = await Promise.all(servers.map(server => server.command('PUBSUB', command, pattern) as Promise<string[]>))
      t.strictSame(subscribed.map(({ length }) => length), [1, 1, 1])
      for (const partition of [0, 1, 2]) await publish(other, channelIn(broker, partition), `${partition}`)
      for (const [partition, recorder] of recorders.entries()) await recorder.receives(`${partition}`)
      for (const { subscription } of recorders) subscription.unsubscribe()
      for (const server of servers) await hasNoChannels(server, command, pattern)
    })
  }

  t.test('with more partitions than nodes, each node has its share', async t => {
    const broker = open(t, { cluster: {} })
    await Promise.all(Array.from({ length: 12 }, (_, partition) => publish(broker, channelIn(broker, partition), 'x')))
    for (const server of servers) await hasConnections(server, 2 * 12 / 3)
  })

  t.test('a stream can follow the channels of one partition, and not those of several', async t => {
    const [{ app, listen }, other] = [await build(t, { broker: open(t) }), open(t)]
    app.get<{ Querystring: { channels: string } }>('/', async ({ query: { channels } }, reply) => {
      const emitter = reply.sse()
      await emitter.subscribe(channels.split(',').map(name => app.sse.channel(name)), { from: 'start', until: ({ data }) => data === 'last' })
    })
    const address = await listen()
    const { id } = await publish(other, '{tenant-1}:prices', 'first')
    await publish(other, '{tenant-1}:news', 'last')
    const response = await fetch(`${address}?channels={tenant-1}:prices,{tenant-1}:news`, { headers: { 'last-event-id': id } })
    t.match(await response.text(), /^event:sse-ready\n[^]*data:last\n/m)
    const unrelated = [0, 1].map(partition => channelIn(other, partition))
    const refused = await fetch(`${address}?channels=${unrelated.join()}`)
    t.match([refused.status, await refused.json()], [500, { code: 'SSE_ERR_PARTITION' }])
  })

  t.test('a run in any partition can be watched and cancelled from another process', async t => {
    const broker = open(t)
    const [one, other] = [await build(t, { broker: open(t) }), await build(t, { broker })]
    const ids = ['1', '2', '3', '4']
    t.equal(new Set(ids.map(id => broker.partition!(`run:${id}`))).size, PARTITIONS, 'the runs are in all partitions')
    other.app.get<{ Params: { id: string } }>('/:id', async ({ params: { id } }, reply) => {
      const run: SseRun | undefined = await other.app.sse.runs.get(id)
      const emitter = reply.sse()
      await run!.watch(emitter)
      return emitter
    })
    await one.app.ready()
    const address = await other.listen()
    for (const id of ids) {
      await one.app.sse.runs.start(id, async function * ({ signal }) {
        yield 'started'
        await new Promise(resolve => { signal.addEventListener('abort', resolve) })
      })
      const response = await fetch(new URL(id, address))
      await eventually(async () => { assert.ok((await dataOf(broker, `run:${id}`)).includes('started')) })
      t.equal(await other.app.sse.runs.cancel(id), true)
      t.match(await response.text(), /data:started[^]*event:aborted\n/)
    }
  })

  t.test('the documented permissions are sufficient', async t => {
    const [, permissions] = /^ACL SETUSER sse ([^`]*)/m.exec(DOCUMENT)!
    const [, clusterPermissions] = /^ACL SETUSER sse (\+cluster[^`]*)/m.exec(DOCUMENT)!
    for (const server of servers) {
      await server.command('ACL', 'SETUSER', 'sse', 'reset', ...`${permissions} ${clusterPermissions}`.trim().split(/\s+/))
      t.teardown(() => server.command('ACL', 'DELUSER', 'sse'))
    }
    const errors: string[] = []
    const [first, ...others] = url
    const broker = openBroker(t, { url: [first!.replace('//', '//sse:password@'), ...others] }, { cluster: { partitions: PARTITIONS }, onError: ({ message }) => { errors.push(message) } })
    const recorder = await record(broker, 'a')
    await publish(broker, 'a', 'x', { count: 1, idempotencyKey: 'once' })
    await recorder.receives('x')
    recorder.subscription.unsubscribe()
    await Promise.all(Array.from({ length: 20 }, (_, number) => broker.replay(`${number}`, undefined, 10)))
    for (const server of servers) {
      t.match(await server.command('CLIENT', 'LIST'), /user=sse/)
      await hasNoChannels(server)
    }
    t.strictSame(errors, [])
  })

  /** Publishes to two channels in turn while the slot of the first one, in partition 1, moves to another node and back. */
  async function publishWhileMoving (publisher: RedisBroker, follower: RedisBroker, moving: string, staying: string) {
    const texts: string[] = []
    let [refusals, hasMoved] = [0, false]
    const publishing = (async () => {
      for (let remaining = 20; remaining > 0; remaining -= hasMoved ? 1 : 0) {
        const text = `${texts.length}`
        texts.push(text)
        await eventually(() => publish(publisher, moving, text, { idempotencyKey: text }).catch(error => {
          refusals++
          throw error
        }))
        await publish(publisher, staying, text)
      }
    })()
    const source = await cluster.primaryOf(SLOTS[1]!)
    const target = servers.find(server => server !== source)!
    await eventually(() => { assert.ok(texts.length > 20) })
    await cluster.moveSlot(SLOTS[1]!, source, target)
    // A process that has not seen the second node before the third believes that entries are lost.
    await follower.replay(moving, undefined, 1)
    const half = texts.length
    await eventually(() => { assert.ok(texts.length > half + 20) })
    await cluster.moveSlot(SLOTS[1]!, target, source)
    hasMoved = true
    await publishing
    return { texts, refusals }
  }

  t.test('while a slot moves, every event is received exactly once', async t => {
    // The follower uses RESP2, where a connection learns in another way that a channel has moved.
    const [publisher, follower] = [open(t), open(t, { client: createClient({ RESP: 2 }) })]
    const [moving, staying] = [channelIn(publisher, 1), channelIn(publisher, 0)].map(name => `{${name}}:moving`) as [string, string]
    const recorders = await Promise.all([record(publisher, moving), record(follower, moving), record(follower, staying)])
    const { texts, refusals } = await publishWhileMoving(publisher, follower, moving, staying)
    for (const recorder of recorders) await recorder.receives(...texts)
    t.strictSame(recorders.map(({ breaks }) => breaks), [0, 0, 0])
    t.ok(refusals > 0, 'the slot was in use')
    t.comment(`${texts.length} events, ${refusals} refusals`)
  })

  t.test('without sharded pub/sub, no event is lost silently while a slot moves', async t => {
    const [publisher, follower] = [0, 1].map(() => open(t, { prefix: 'all:', cluster: { partitions: PARTITIONS, sharded: false } })) as [RedisBroker, RedisBroker]
    const [moving, staying] = [channelIn(publisher, 1), channelIn(publisher, 0)]
    const recorders = await Promise.all([record(publisher, moving), record(follower, moving)])
    const { texts } = await publishWhileMoving(publisher, follower, moving, staying)
    await publishEventually(publisher, moving, 'last')
    for (const recorder of recorders) {
      await eventually(() => { assert.equal(recorder.data.at(-1), 'last') })
      t.equal(new Set(recorder.data).size, recorder.data.length, 'nothing is received twice')
      t.ok(recorder.breaks > 0 || recorder.data.length === texts.length + 1, 'a loss is announced by a break')
    }
    t.strictSame(await dataOf(follower, moving), [...texts, 'last'])
  })

  t.test('while a node is down, only its partition rejects events, and it recovers with the node', async t => {
    // The broker starts with the address of the node that goes down.
    const failing = await cluster.primaryOf(SLOTS[2]!)
    const broker = open(t, { url: failing.url, prefix: 'away:', maxReplays: 1 })
    const channels = [0, 1, 2].map(partition => channelIn(broker, partition))
    const recorders = await Promise.all(channels.map(channel => record(broker, channel)))
    for (const channel of channels) await publish(broker, channel, 'before')
    await failing.kill()
    await eventually(() => assert.rejects(publish(broker, channels[2]!, 'x'), UNAVAILABLE))
    t.equal(broker.ready, false)
    const waiting = broker.replay(channels[2]!, undefined, 10)
    for (const channel of channels.slice(0, 2)) {
      await publish(broker, channel, 'meanwhile')
      t.strictSame(await dataOf(broker, channel), ['before', 'meanwhile'], 'a waiting replay does not block other partitions')
    }
    for (const server of servers.filter(server => server !== failing)) await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    for (const channel of channels.slice(0, 2)) await publishEventually(broker, channel, 'found through other nodes')
    await failing.start()
    await publishEventually(broker, channels[2]!, 'after')
    await recorders[0]!.receives('before', 'meanwhile', 'found through other nodes')
    await recorders[1]!.receives('before', 'meanwhile', 'found through other nodes')
    await recorders[2]!.receives('before', 'after')
    t.ok((await waiting).entries.length > 0)
    t.strictSame(recorders.map(({ breaks }) => breaks), [0, 0, 0])
    await cluster.settled()
  })

  t.test('when a replica takes over, by command or because its primary is down, nothing is missed', async t => {
    const primary = await cluster.primaryOf(SLOTS[0]!)
    const replica = await cluster.addReplica(t, program, primary)
    const broker = open(t, { prefix: 'failover:' })
    const waitingBroker = open(t, { prefix: 'failover:', wait: {} })
    const channel = channelIn(broker, 0)
    const recorder = await record(broker, channel)
    await publish(waitingBroker, channel, 'before')
    await replica.command('CLUSTER', 'FAILOVER', 'TAKEOVER')
    await eventually(async () => { assert.equal(await cluster.primaryOf(SLOTS[0]!), replica) })
    await publishEventually(waitingBroker, channel, 'handed over')
    await recorder.receives('before', 'handed over')
    await replica.kill()
    await publishEventually(broker, channel, 'after')
    await recorder.receives('before', 'handed over', 'after')
    t.equal(recorder.breaks, 0)
  })
})
