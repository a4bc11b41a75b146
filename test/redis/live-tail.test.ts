import assert from 'node:assert/strict'
import t from 'tap'
import { Deferred } from '../../plugin/base/deferred.ts'
import { compareIds, epochOf } from '../../plugin/wire/event-id.ts'
import { READ, SYNC } from '../../plugin/redis/lua-scripts.ts'
import { liveTimers } from '../fixtures/clock.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { brokerOn, Ear, eventually, OpenClient, publish, RedisServer, Relay } from '../fixtures/redis.ts'

const NEVER = 600_000
const MEGABYTE = 1024 * 1024

suiteWith(t, 'redis-server', 'what a node hears', async (t, program) => {
  const server = await RedisServer.start(t, program)
  t.beforeEach(async () => { await server.command('FLUSHALL') })

  const listeners = async (channel: string): Promise<number> => (await server.command('PUBSUB', 'NUMSUB', `sse:{0}:live:${channel}`) as [string, number])[1]

  t.test('a position gets on by itself', async t => {
    const [broker, other] = [brokerOn(t, server), brokerOn(t, server)]
    const ear = await Ear.on(broker, 'quiet')
    const { id } = await publish(other, 'a', 'x')
    await eventually(() => { assert.ok(compareIds(ear.subscription.position, id) >= 0) })
  })

  t.test('a subscription that Redis has lost is noticed, though nothing more is published', async t => {
    const client = new OpenClient(server)
    const broker = brokerOn(t, client)
    const [ear, gone] = [await Ear.on(broker, 'a'), await Ear.on(broker, 'gone')]
    await Ear.on(broker, 'never used')
    await client.subscriber.unsubscribe(['sse:{0}:live:a'])
    await publish(broker, 'a', 'x')
    await ear.hears('x')
    await eventually(async () => { assert.equal(await listeners('a'), 1) })
    await publish(broker, 'a', 'y')
    await ear.hears('x', 'y')
    t.equal(ear.breaks + gone.breaks, 0)
  })

  t.test('who has left is not missed by the probe', async t => {
    const client = new OpenClient(server)
    const broker = brokerOn(t, client, { probe: NEVER })
    const ear = await Ear.on(broker, 'a')
    const probing = new Deferred<void>()
    const going = new Deferred<void>()
    const quick = new OpenClient(server)
    const prober = brokerOn(t, quick, { probe: 100 })
    const leaver = await Ear.on(prober, 'a')
    quick.before = async args => {
      if (args[1] !== SYNC.sha || !args.includes('a')) return
      probing.resolve()
      await going.promise
    }
    await probing.promise
    leaver.subscription.unsubscribe()
    await eventually(async () => { assert.equal(await listeners('a'), 1) })
    await publish(broker, 'a', 'x')
    await ear.hears('x')
    quick.before = () => {}
    going.resolve()
    const again = await Ear.on(prober, 'b')
    await publish(broker, 'b', 'y')
    await again.hears('y')
    t.equal(quick.connections.length, 2, 'no connection was given up')
  })

  t.test('a message that was lost is noticed by the next one', async t => {
    const client = new OpenClient(server)
    const broker = brokerOn(t, client, { probe: NEVER })
    const ear = await Ear.on(broker, 'a')
    await client.subscriber.unsubscribe(['sse:{0}:live:a'])
    await publish(broker, 'a', '1')
    await client.subscriber.subscribe(['sse:{0}:live:a'], client.listener)
    await publish(broker, 'a', '2')
    await ear.hears('1', '2')
    await publish(broker, 'a', '3')
    await ear.hears('1', '2', '3')
    t.equal(ear.breaks, 0)
  })

  t.test('a message of another epoch has it look at once', async t => {
    const [broker, other] = [brokerOn(t, server, { probe: NEVER }), brokerOn(t, server, { probe: NEVER })]
    const ear = await Ear.on(broker, 'a')
    await publish(other, 'a', 'before')
    await ear.hears('before')
    await server.command('FLUSHALL')
    const { id } = await publish(other, 'a', 'after')
    await ear.broken()
    t.equal(epochOf(ear.subscription.position), epochOf(id))
  })

  t.test('a mark of another epoch says nothing of this one', async t => {
    const broker = brokerOn(t, server, { probe: NEVER })
    const ear = await Ear.on(broker, 'a')
    const [node] = await eventually(async () => {
      const nodes = await server.command('PUBSUB', 'CHANNELS', '*:node:*') as string[]
      assert.equal(nodes.length, 1, 'those of other tests are gone')
      return nodes
    })
    await server.command('PUBLISH', node!, 'mark\nanother\n999999999999999-0\n')
    const { id } = await publish(broker, 'a', 'x')
    await ear.hears('x')
    t.equal(ear.subscription.position, id)
  })

  t.test('who subscribes while Redis does not answer is there when it does', async t => {
    const relay = await Relay.start(t, server)
    const broker = brokerOn(t, relay, { timeout: 300 })
    await Ear.on(broker, 'a')
    relay.mute = true
    const following = Ear.on(broker, 'b')
    await eventually(async () => { assert.equal(await listeners('b'), 1) })
    await t.rejects(publish(broker, 'b', 'x'), { code: 'SSE_ERR_BROKER_UNKNOWN' })
    relay.mute = false
    const ear = await following
    await eventually(() => publish(broker, 'b', 'y', { idempotencyKey: 'once' }))
    await eventually(() => { assert.equal(ear.texts.at(-1), 'y') })
  })

  t.test('who subscribes is refused when it is closed meanwhile', async t => {
    const client = new OpenClient(server)
    const broker = brokerOn(t, client, { probe: NEVER })
    await Ear.on(broker, 'a')
    const asked = new Deferred<void>()
    client.before = async args => {
      if (args[1] !== SYNC.sha) return
      asked.resolve()
      await new Promise(() => {})
    }
    const refused = t.rejects(Ear.on(broker, 'b'), { code: 'SSE_ERR_BROKER_CLOSED' })
    await asked.promise
    await broker.close()
    await refused
  })

  t.test('closed, it takes no notice of what comes still, and leaves no timer', async t => {
    const live = liveTimers(t)
    const client = new OpenClient(server)
    const broker = brokerOn(t, client)
    const ear = await Ear.on(broker, 'a')
    await broker.close()
    client.listener('another\n1-0\n0-0\n["x"]', 'sse:{0}:live:a')
    t.strictSame(ear.texts, [])
    t.equal(live.size, 0)
  })

  for (const again of [false, true]) {
    t.test(`what was missed is handed out in the order of ids over all channels, and what comes meanwhile after it${again ? ', also when the connection is lost again' : ''}`, async t => {
      const client = new OpenClient(server)
      const broker = brokerOn(t, client, { probe: NEVER })
      const other = brokerOn(t, server)
      const ids: string[] = []
      const listener = { onEntry: ({ id }: { id: string }) => { ids.push(id) }, onBreak: () => { t.fail('nothing is lost') } }
      for (const channel of ['a', 'b', 'c']) await broker.subscribe(channel, listener)
      const reading = new Deferred<void>()
      const going = new Deferred<void>()
      client.before = async args => {
        if (args[1] !== READ.sha) return
        reading.resolve()
        await going.promise
      }
      const published: string[] = []
      const publishSome = async (): Promise<void> => {
        for (let number = 0; number < 300; number++) published.push((await publish(other, ['a', 'b', 'c'][number % 3]!, 'x')).id)
      }
      client.subscriber.destroy()
      await publishSome()
      await reading.promise
      client.heard = 0
      await publishSome()
      await eventually(() => { assert.ok(client.heard >= 300) })
      if (again) {
        const { subscriptions } = client
        client.connections.at(-1)!.destroy()
        await eventually(() => { assert.ok(client.subscriptions > subscriptions) })
      }
      going.resolve()
      await eventually(() => { assert.equal(ids.length, published.length) })
      t.strictSame(ids, published)
    })
  }

  t.test('when more comes than can be held while what was missed is read, all are told to read it', async t => {
    const client = new OpenClient(server)
    const broker = brokerOn(t, client, { probe: NEVER })
    const other = brokerOn(t, server)
    const [ear, small] = [await Ear.on(broker, 'a'), await Ear.on(broker, 'small')]
    const reading = new Deferred<void>()
    const going = new Deferred<void>()
    client.before = async args => {
      if (args[1] !== READ.sha) return
      reading.resolve()
      await going.promise
    }
    client.subscriber.destroy()
    await publish(other, 'small', 'x')
    await reading.promise
    client.heard = 0
    for (let number = 0; number < 17; number++) await publish(other, 'a', 'x'.repeat(MEGABYTE), { bytes: 64 * MEGABYTE })
    await publish(other, 'small', 'y')
    await eventually(() => { assert.ok(client.heard >= 18) })
    going.resolve()
    await ear.broken()
    await small.broken()
    t.strictSame(ear.texts, [])
    await publish(other, 'a', 'z')
    await ear.hears('z')
  })

  t.test('a listener may close the broker, and none is called any more', async t => {
    const broker = brokerOn(t, server)
    const [before, after] = [await Ear.on(broker, 'a'), new Ear()]
    await broker.subscribe('a', { onEntry: () => { broker.close() }, onBreak: () => {} })
    await broker.subscribe('a', after)
    const other = brokerOn(t, server)
    await publish(other, 'a', 'x')
    await before.hears('x')
    t.strictSame(after.texts, [])
  })

  t.test('a listener may close the broker when there is a break', async t => {
    const broker = brokerOn(t, server)
    const closed = new Deferred<void>()
    const after = new Ear()
    await broker.subscribe('a', {
      onEntry: () => {},
      onBreak: () => {
        broker.close()
        closed.resolve()
      }
    })
    await broker.subscribe('b', after)
    await server.command('FLUSHALL')
    await closed.promise
    await new Promise(setImmediate)
    t.equal(after.breaks, 0)
  })

  t.test('a listener that closes the broker while it is handed what was missed hears no more of it', async t => {
    const relay = await Relay.start(t, server)
    const [broker, other] = [brokerOn(t, relay), brokerOn(t, server)]
    const texts: unknown[] = []
    await broker.subscribe('a', {
      onEntry: ({ data }) => {
        texts.push(data)
        if (texts.length === 1) broker.close()
      },
      onBreak: () => {}
    })
    relay.target = 1
    relay.cut()
    for (const text of ['1', '2', '3']) await publish(other, 'a', text)
    relay.target = server.port
    await eventually(() => { assert.notEqual(texts.length, 0) })
    await new Promise(setImmediate)
    t.strictSame(texts, ['1'])
  })
})
