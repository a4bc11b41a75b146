import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { createClient } from 'redis'
import { redisBroker, type RedisBroker } from '../../plugin/redis/index.ts'
import { slotOf, tagsOf } from '../../plugin/redis/hash-slots.ts'
import type { SseRun } from '../../plugin/runs/run.ts'
import { brokerContract } from '../../plugin/testing/index.ts'
import { build } from '../fixtures/app.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { brokerOn, Ear, eventually, freePort, insist, publish, RedisServer, ServerCluster } from '../fixtures/redis.ts'

const DOCUMENT = readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8')
const UNAVAILABLE = { code: 'SSE_ERR_BROKER_UNAVAILABLE', statusCode: 503 }
/** As many as there are nodes. */
const PARTITIONS = 3

/** A channel of a partition. */
function channelOf (broker: RedisBroker, partition: number): string {
  for (let number = 0; ; number++) if (broker.partition!(`${number}`) === partition) return `${number}`
}

async function connectionsTo (server: RedisServer): Promise<number> {
  return `${await server.command('CLIENT', 'LIST')}`.trim().split('\n').length - 1
}

suiteWith(t, 'redis-server', 'a broker in a Redis Cluster', async (t, program) => {
  const cluster = await ServerCluster.start(t, program, PARTITIONS)
  const { servers, url } = cluster
  const open = (t: Test, options: Parameters<typeof brokerOn>[2] = {}): RedisBroker => brokerOn(t, { url }, { cluster: { partitions: PARTITIONS }, ...options })

  for (const { name, run } of brokerContract(() => redisBroker({ url, cluster: { partitions: PARTITIONS } }), { patience: 30_000 })) t.test(name, run)

  t.test('with as many partitions as nodes it takes two connections to each, whatever there is to follow, and gives them back', async t => {
    for (const server of servers) await eventually(async () => { assert.equal(await connectionsTo(server), 0) })
    const broker = open(t)
    t.equal(broker.ready, false)
    const ears = await Promise.all(Array.from({ length: 100 }, (_, number) => Ear.on(broker, `${number}`)))
    for (const server of servers) await eventually(async () => { assert.equal(await connectionsTo(server), 2) })
    t.equal(broker.ready, true)
    for (const { subscription } of ears) subscription.unsubscribe()
    for (const server of servers) await eventually(async () => { assert.deepEqual(await server.command('PUBSUB', 'SHARDCHANNELS', '*:live:*'), []) })
    await broker.close()
    t.equal(broker.ready, false)
    for (const server of servers) await eventually(async () => { assert.equal(await connectionsTo(server), 0) })
  })

  t.test('what is published goes to the nodes of its partition only, unless it is to go to all', async t => {
    for (const sharded of [true, false]) {
      const [broker, other] = [0, 1].map(() => open(t, { prefix: `${sharded}:`, cluster: { partitions: PARTITIONS, sharded } }))
      const ears = await Promise.all([0, 1, 2].map(partition => Ear.on(broker!, channelOf(broker!, partition))))
      const asked = sharded ? 'SHARDCHANNELS' : 'CHANNELS'
      const heard = await Promise.all(servers.map(server => server.command('PUBSUB', asked, `${sharded}:*:live:*`) as Promise<string[]>))
      t.strictSame(heard.map(({ length }) => length), [1, 1, 1])
      for (const partition of [0, 1, 2]) await publish(other!, channelOf(broker!, partition), `${partition}`)
      for (const [partition, ear] of ears.entries()) await ear.hears(`${partition}`)
      for (const { subscription } of ears) subscription.unsubscribe()
      for (const server of servers) await eventually(async () => { assert.deepEqual(await server.command('PUBSUB', asked, `${sharded}:*:live:*`), []) })
    }
  })

  t.test('with more partitions than nodes, each node has its share', async t => {
    const broker = open(t, { cluster: {} })
    await Promise.all(Array.from({ length: 12 }, (_, partition) => publish(broker, channelOf(broker, partition), 'x')))
    for (const server of servers) await eventually(async () => { assert.equal(await connectionsTo(server), 2 * 12 / 3) })
  })

  t.test('a stream follows channels of one partition, wherever they are published', async t => {
    const [{ app, listen }, other] = [await build(t, { broker: open(t) }), open(t)]
    app.get<{ Querystring: { channels: string } }>('/', async ({ query: { channels } }, reply) => {
      const emitter = reply.sse()
      await emitter.subscribe(channels.split(',').map(name => app.sse.channel(name)), { from: 'start', until: ({ data }) => data === 'last' })
    })
    const address = await listen()
    const { id } = await publish(other, '{tenant-1}:prices', 'first')
    await publish(other, '{tenant-1}:news', 'last')
    const answer = await fetch(`${address}?channels={tenant-1}:prices,{tenant-1}:news`, { headers: { 'last-event-id': id } })
    t.match(await answer.text(), /^event:sse-ready\n[^]*data:last\n/m)
    const strange = [0, 1].map(partition => channelOf(other, partition))
    const refused = await fetch(`${address}?channels=${strange.join()}`)
    t.match([refused.status, await refused.json()], [500, { code: 'SSE_ERR_PARTITION' }])
  })

  t.test('a run is watched and cancelled from another process, wherever it lies', async t => {
    const broker = open(t)
    const [one, other] = [await build(t, { broker: open(t) }), await build(t, { broker })]
    const ids = ['1', '2', '3', '4']
    t.equal(new Set(ids.map(id => broker.partition!(`run:${id}`))).size, PARTITIONS, 'they lie in all partitions')
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
        yield 'begun'
        await new Promise(resolve => { signal.addEventListener('abort', resolve) })
      })
      const answer = await fetch(new URL(id, address))
      await eventually(async () => { assert.ok((await other.app.sse.channel(`run:${id}`).replay()).entries.some(({ data }) => data === 'begun')) })
      t.equal(await other.app.sse.runs.cancel(id), true)
      t.match(await answer.text(), /data:begun[^]*event:aborted\n/)
    }
  })

  t.test('it needs no more rights than are documented', async t => {
    const [, rights] = /^ACL SETUSER sse ([^`]*)/m.exec(DOCUMENT)!
    const [, more] = /^ACL SETUSER sse (\+cluster[^`]*)/m.exec(DOCUMENT)!
    for (const server of servers) {
      await server.command('ACL', 'SETUSER', 'sse', 'reset', ...`${rights} ${more}`.trim().split(/\s+/))
      t.teardown(() => server.command('ACL', 'DELUSER', 'sse'))
    }
    const said: string[] = []
    const [first, ...others] = url
    const broker = brokerOn(t, { url: [first!.replace('//', '//sse:password@'), ...others] }, { cluster: { partitions: PARTITIONS }, onError: ({ message }) => { said.push(message) } })
    const ear = await Ear.on(broker, 'a')
    await publish(broker, 'a', 'x', { count: 1, idempotencyKey: 'once' })
    await ear.hears('x')
    ear.subscription.unsubscribe()
    await Promise.all(Array.from({ length: 20 }, (_, number) => broker.replay(`${number}`, undefined, 10)))
    for (const server of servers) {
      t.match(await server.command('CLIENT', 'LIST'), /user=sse/)
      await eventually(async () => { assert.deepEqual(await server.command('PUBSUB', 'SHARDCHANNELS', '*:live:*'), []) })
    }
    t.strictSame(said, [])
  })

  /** Publishes one after the other, to the partition in the middle and to another, while the slot of the former moves away and back. */
  async function publishWhileMoving (publisher: RedisBroker, follower: RedisBroker, moving: string, staying: string) {
    const slot = slotOf(tagsOf(PARTITIONS)[1]!)
    const texts: string[] = []
    let [refused, moved] = [0, false]
    const publishing = (async () => {
      for (let left = 20; left > 0; left -= moved ? 1 : 0) {
        const text = `${texts.length}`
        texts.push(text)
        await eventually(() => publish(publisher, moving, text, { idempotencyKey: text }).catch(error => {
          refused++
          throw error
        }))
        await publish(publisher, staying, text)
      }
    })()
    const owner = await cluster.ownerOf(slot)
    const target = servers.find(server => server !== owner)!
    await eventually(() => { assert.ok(texts.length > 20) })
    await cluster.move(slot, owner, target)
    // A process that has not seen one node before there is the next takes that for a loss.
    await follower.replay(moving, undefined, 1)
    const half = texts.length
    await eventually(() => { assert.ok(texts.length > half + 20) })
    await cluster.move(slot, target, owner)
    moved = true
    await publishing
    return { texts, refused }
  }

  t.test('while its slot moves, nothing of a partition is lost and nothing comes twice', async t => {
    // One of them by the older protocol, in which it is told otherwise that a channel has moved.
    const [publisher, follower] = [open(t), open(t, { client: createClient({ RESP: 2 }) })]
    const [moving, staying] = [channelOf(publisher, 1), channelOf(publisher, 0)].map(name => `{${name}}:moving`) as [string, string]
    const ears = await Promise.all([Ear.on(publisher, moving), Ear.on(follower, moving), Ear.on(follower, staying)])
    const { texts, refused } = await publishWhileMoving(publisher, follower, moving, staying)
    for (const ear of ears) await ear.hears(...texts)
    t.strictSame(ears.map(({ breaks }) => breaks), [0, 0, 0])
    t.ok(refused > 0, 'it was in use')
    t.comment(`${texts.length} events, ${refused} times refused`)
  })

  t.test('where all nodes hear everything, nothing is lost silently while a slot moves', async t => {
    const [publisher, follower] = [0, 1].map(() => open(t, { prefix: 'all:', cluster: { partitions: PARTITIONS, sharded: false } })) as [RedisBroker, RedisBroker]
    const [moving, staying] = [channelOf(publisher, 1), channelOf(publisher, 0)]
    const ears = await Promise.all([Ear.on(publisher, moving), Ear.on(follower, moving)])
    const { texts } = await publishWhileMoving(publisher, follower, moving, staying)
    await insist(publisher, moving, 'last')
    for (const ear of ears) {
      await eventually(() => { assert.equal(ear.texts.at(-1), 'last') })
      t.equal(new Set(ear.texts).size, ear.texts.length, 'nothing comes twice')
      t.ok(ear.breaks > 0 || ear.texts.length === texts.length + 1, 'where something is missing, that is told')
    }
    t.strictSame((await follower.replay(moving, undefined, 1_000)).entries.map(({ data }) => data), [...texts, 'last'])
  })

  t.test('while a node is away its partition takes nothing, the others go on, and it is there again with the node', async t => {
    // It knows of no other than the one that goes away.
    const gone = await cluster.ownerOf(slotOf(tagsOf(PARTITIONS)[2]!))
    const broker = open(t, { url: gone.url, prefix: 'away:', maxReplays: 1 })
    const channels = [0, 1, 2].map(partition => channelOf(broker, partition))
    const ears = await Promise.all(channels.map(channel => Ear.on(broker, channel)))
    for (const channel of channels) await publish(broker, channel, 'before')
    await gone.kill()
    await eventually(() => assert.rejects(publish(broker, channels[2]!, 'x'), UNAVAILABLE))
    t.equal(broker.ready, false)
    const waiting = broker.replay(channels[2]!, undefined, 10)
    for (const channel of channels.slice(0, 2)) {
      await publish(broker, channel, 'meanwhile')
      t.equal((await broker.replay(channel, undefined, 10)).entries.length, 2, 'who waits for the one does not take the place of others')
    }
    for (const server of servers.filter(server => server !== gone)) await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    for (const channel of channels.slice(0, 2)) await insist(broker, channel, 'found by others')
    await gone.start()
    await insist(broker, channels[2]!, 'after')
    await ears[0]!.hears('before', 'meanwhile', 'found by others')
    await ears[1]!.hears('before', 'meanwhile', 'found by others')
    await ears[2]!.hears('before', 'after')
    t.ok((await waiting).entries.length > 0)
    t.strictSame(ears.map(({ breaks }) => breaks), [0, 0, 0])
    await cluster.settled()
  })

  t.test('when a replica takes over, by hand or because the primary is gone, what it has goes on', async t => {
    const slot = slotOf(tagsOf(PARTITIONS)[0]!)
    const primary = await cluster.ownerOf(slot)
    const replica = await cluster.join(t, program, primary)
    const broker = open(t, { prefix: 'failover:' })
    const sure = open(t, { prefix: 'failover:', wait: {} })
    const channel = channelOf(broker, 0)
    const ear = await Ear.on(broker, channel)
    await publish(sure, channel, 'before')
    await replica.command('CLUSTER', 'FAILOVER', 'TAKEOVER')
    await eventually(async () => { assert.equal(await cluster.ownerOf(slot), replica) })
    await insist(sure, channel, 'handed over')
    await ear.hears('before', 'handed over')
    await replica.kill()
    await insist(broker, channel, 'after')
    await ear.hears('before', 'handed over', 'after')
    t.equal(ear.breaks, 0)
  })
})

suiteWith(t, 'redis-server', 'what is no Redis Cluster, or not yet', async (t, program) => {
  const NODE = ['--cluster-enabled', 'yes', '--cluster-port']

  t.test('a Redis that is none is refused in its own words', async t => {
    const server = await RedisServer.start(t, program)
    const said: string[] = []
    const broker = brokerOn(t, server, { cluster: {}, onError: ({ message }) => { said.push(message) } })
    await t.rejects(publish(broker, 'a', 'x'), UNAVAILABLE)
    t.match(said, [/^ERR This instance has cluster support disabled/])
  })

  t.test('a node without others is found where it was asked, as soon as it has the slots', async t => {
    const server = await RedisServer.start(t, program, ...NODE, `${await freePort()}`)
    const said = new Set<string>()
    const broker = brokerOn(t, server, { cluster: { partitions: 1 }, onError: ({ message }) => { said.add(message) } })
    await t.rejects(publish(broker, 'a', 'x'), UNAVAILABLE)
    await server.command('CLUSTER', 'ADDSLOTSRANGE', '0', '100')
    await eventually(() => { assert.ok(said.has('No node of the cluster has the slot 8192')) })
    t.ok(said.has(`The node 127.0.0.1:${server.port} is of no cluster`))
    await server.command('CLUSTER', 'ADDSLOTSRANGE', '101', '16383')
    await insist(broker, 'a', 'x')
  })
})
