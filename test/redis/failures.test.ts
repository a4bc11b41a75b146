import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { compareIds, epochOf } from '../../plugin/wire/event-id.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { brokerOn, Ear, eventually, insist, publish, RedisServer, Relay } from '../fixtures/redis.ts'

const UNAVAILABLE = { code: 'SSE_ERR_BROKER_UNAVAILABLE', statusCode: 503 }
const UNKNOWN = { code: 'SSE_ERR_BROKER_UNKNOWN', statusCode: 503 }

suiteWith(t, 'redis-server', 'when something fails behind a broker in Redis', async (t, program) => {
  t.test('while Redis is away nothing is published, and who reads or follows waits', async t => {
    const server = await RedisServer.start(t, program)
    await server.kill()
    const errors: Error[] = []
    const broker = brokerOn(t, server, { onError: error => { errors.push(error) } })
    await t.rejects(publish(broker, 'a', 'x'), UNAVAILABLE)
    const waiting = Promise.all([Ear.on(broker, 'a'), broker.replay('a', undefined, 10)])
    const begin = performance.now()
    for (let times = 0; times < 100; times++) await t.rejects(publish(broker, 'a', 'x'), UNAVAILABLE)
    t.ok(performance.now() - begin < 1_000, 'it is said at once')
    await server.start()
    const [ear, page] = await waiting
    t.strictSame(page.entries, [])
    await insist(broker, 'a', 'back')
    await ear.hears('back')
    t.equal(ear.breaks, 0)
    t.equal(errors.length, new Set(errors.map(({ message }) => message)).size * 2, 'each connection tells each reason once')
  })

  t.test('Redis is killed while it is asked: it is not known what came of it, and may be repeated', async t => {
    const server = await RedisServer.start(t, program, '--appendonly', 'yes', '--appendfsync', 'always')
    const broker = brokerOn(t, server)
    await publish(broker, 'a', 'before')
    server.pause()
    const publishing = publish(broker, 'a', 'x', { idempotencyKey: 'once' })
    const settled = t.rejects(publishing, UNKNOWN)
    await pause(20)
    await server.kill()
    await settled
    await server.start()
    const { id } = await eventually(() => publish(broker, 'a', 'x', { idempotencyKey: 'once' }))
    const { entries } = await broker.replay('a', undefined, 10)
    t.strictSame(entries.map(({ data }) => data), ['before', 'x'])
    t.equal(entries[1]!.id, id)
  })

  t.test('an answer is lost: what is repeated is not published again', async t => {
    const server = await RedisServer.start(t, program)
    const relay = await Relay.start(t, server)
    const [broker, other] = [brokerOn(t, relay), brokerOn(t, server)]
    const ear = await Ear.on(other, 'a')
    await publish(broker, 'a', 'before')
    relay.mute = true
    const settled = t.rejects(publish(broker, 'a', 'x', { idempotencyKey: 'once' }), UNKNOWN)
    await ear.hears('before', 'x')
    relay.cut()
    relay.mute = false
    await settled
    const again = await eventually(() => publish(broker, 'a', 'x', { idempotencyKey: 'once' }))
    t.strictSame(again, { id: ear.ids[1], repeated: true })
  })

  t.test('Redis starts again with all it had: nobody has missed anything', async t => {
    const server = await RedisServer.start(t, program, '--appendonly', 'yes', '--appendfsync', 'always')
    const broker = brokerOn(t, server)
    const [ear, quiet] = [await Ear.on(broker, 'a'), await Ear.on(broker, 'quiet')]
    const { id } = await publish(broker, 'a', 'before')
    await server.kill()
    await server.start()
    await insist(broker, 'a', 'after')
    await ear.hears('before', 'after')
    t.strictSame([ear.breaks, quiet.breaks], [0, 0])
    const { known, lost, entries } = await broker.replay('a', id, 10)
    t.strictSame([known, lost, entries.map(({ data }) => data)], [true, undefined, ['after']])
  })

  t.test('Redis starts again with nothing: all are told', async t => {
    const server = await RedisServer.start(t, program)
    const broker = brokerOn(t, server)
    const [ear, quiet] = [await Ear.on(broker, 'a'), await Ear.on(broker, 'quiet')]
    const { id } = await publish(broker, 'a', 'before')
    await ear.hears('before')
    await server.kill()
    await server.start()
    await ear.broken()
    await quiet.broken()
    t.not(epochOf(ear.subscription.position), epochOf(id))
    t.equal((await broker.replay('a', id, 10)).known, false)
    await insist(broker, 'a', 'after')
    await ear.hears('before', 'after')
    t.strictSame([ear.breaks, quiet.breaks], [1, 1])
  })

  t.test('all is flushed: all are told, also where nothing is published', async t => {
    const server = await RedisServer.start(t, program)
    const [broker, idle] = [brokerOn(t, server), brokerOn(t, server)]
    const [ear, quiet] = [await Ear.on(broker, 'a'), await Ear.on(idle, 'quiet')]
    const { id } = await publish(broker, 'a', 'before')
    await server.command('FLUSHALL')
    const after = await publish(broker, 'a', 'after')
    t.not(epochOf(after.id), epochOf(id))
    await ear.broken()
    await quiet.broken()
    await eventually(() => { assert.ok(compareIds(ear.subscription.position, after.id) >= 0) })
    const { known, entries } = await idle.replay('a', id, 10)
    t.strictSame([known, entries.map(({ id }) => id)], [false, [after.id]])
    await publish(idle, 'quiet', 'x')
    await quiet.hears('x')
  })

  t.test('what is published in one go around a flush keeps its order', async t => {
    const server = await RedisServer.start(t, program)
    const broker = brokerOn(t, server)
    await publish(broker, 'a', 'before')
    await server.command('FLUSHALL')
    const texts = Array.from({ length: 200 }, (_, number) => `${number}`)
    const published = await Promise.all(texts.map(async (text, number) => {
      await pause(number / 50)
      return await publish(broker, 'a', text)
    }))
    const { entries } = await broker.replay('a', undefined, 1_000)
    t.strictSame(entries.map(({ data }) => data), texts)
    t.strictSame(entries.map(({ id }) => id), published.map(({ id }) => id))
  })

  t.test('a replica that has all takes over: nobody has missed anything', async t => {
    const [primary, replica] = [await RedisServer.start(t, program), await RedisServer.start(t, program)]
    await replica.follow(primary)
    const relay = await Relay.start(t, primary)
    const broker = brokerOn(t, relay)
    const ear = await Ear.on(broker, 'a')
    await publish(broker, 'a', 'before')
    await eventually(async () => { assert.equal(await replica.command('XLEN', 'sse:{0}:history:a'), 1) })
    await primary.kill()
    await replica.command('REPLICAOF', 'NO', 'ONE')
    relay.target = replica.port
    await insist(broker, 'a', 'after')
    await ear.hears('before', 'after')
    t.equal(ear.breaks, 0)
  })

  t.test('a replica that was behind takes over: all are told, and nothing that comes then is taken for something else', async t => {
    const [primary, replica] = [await RedisServer.start(t, program), await RedisServer.start(t, program)]
    await replica.follow(primary)
    const relay = await Relay.start(t, primary)
    const [broker, other] = [brokerOn(t, relay), brokerOn(t, relay)]
    const [ear, elsewhere] = [await Ear.on(broker, 'a'), await Ear.on(other, 'b')]
    const { id: kept } = await publish(broker, 'a', 'kept')
    await eventually(async () => { assert.equal(await replica.command('XLEN', 'sse:{0}:history:a'), 1) })
    // Nothing reaches it any more, though nobody knows.
    await replica.command('REPLICAOF', 'NO', 'ONE')
    const { id: lost } = await publish(broker, 'a', 'lost')
    await ear.hears('kept', 'lost')
    await primary.kill()
    relay.target = replica.port
    await ear.broken()
    await elsewhere.broken()
    const after = await insist(other, 'a', 'after')
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

  t.test('where nobody takes publications, as at a replica, it is said; and gone back from as soon as there is another', async t => {
    const [primary, replica] = [await RedisServer.start(t, program), await RedisServer.start(t, program)]
    const relay = await Relay.start(t, primary)
    const broker = brokerOn(t, relay)
    const ear = await Ear.on(broker, 'a')
    await publish(broker, 'a', 'before')
    await replica.follow(primary)
    await primary.follow(replica).catch(() => {})
    // What is asked beside the one that Redis refuses first is not known to have been refused.
    await eventually(() => assert.rejects(publish(broker, 'a', 'x'), UNAVAILABLE))
    await replica.command('REPLICAOF', 'NO', 'ONE')
    relay.target = replica.port
    await insist(broker, 'a', 'after')
    await ear.hears('before', 'after')
  })

  t.test('connections are killed under load: all is heard once and in order, and published all the same', async t => {
    const server = await RedisServer.start(t, program)
    const [broker, other] = [brokerOn(t, server), brokerOn(t, server)]
    const ears = [await Ear.on(broker, 'a'), await Ear.on(other, 'a')]
    const texts: string[] = []
    for (let round = 0; round < 10; round++) {
      const some = Array.from({ length: 50 }, (_, number) => `${round}.${number}`)
      texts.push(...some)
      const publishing = some.map(text => publish(broker, 'a', text))
      await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await Promise.all(publishing)
    }
    for (const ear of ears) {
      await ear.hears(...texts)
      t.equal(ear.breaks, 0)
    }
  })

  t.test('a connection is deaf: that is noticed, and what was missed is read', async t => {
    const server = await RedisServer.start(t, program)
    const relay = await Relay.start(t, server)
    const broker = brokerOn(t, relay, { timeout: 500 })
    const ear = await Ear.on(broker, 'a')
    await publish(broker, 'a', 'heard')
    await ear.hears('heard')
    relay.deaf = true
    await publish(broker, 'a', 'not heard')
    await eventually(() => { assert.equal(relay.size, 1) })
    relay.deaf = false
    await ear.hears('heard', 'not heard')
    t.equal(ear.breaks, 0)
  })

  t.test('more was published than the history keeps while the connection was lost: that is told', async t => {
    const server = await RedisServer.start(t, program)
    const relay = await Relay.start(t, server)
    const [broker, other] = [brokerOn(t, relay), brokerOn(t, server)]
    const [ear, lucky] = [await Ear.on(broker, 'a'), await Ear.on(broker, 'b')]
    const { id } = await publish(broker, 'a', '0')
    await ear.hears('0')
    const target = relay.target
    relay.target = 1
    relay.cut()
    for (const text of ['1', '2', '3', '4']) await publish(other, 'a', text, { count: 2 })
    await publish(other, 'b', 'x')
    relay.target = target
    await ear.broken()
    const { lost, entries } = await broker.replay('a', id, 10)
    t.ok(lost)
    t.strictSame(entries.map(({ data }) => data), ['3', '4'])
    await lucky.hears('x')
    t.equal(lucky.breaks, 0)
    await publish(other, 'a', '5')
    await ear.hears('0', '5')
    t.equal(ear.breaks, 1)
  })

  t.test('Redis has evicted what it knows of channels: it is another log', async t => {
    const server = await RedisServer.start(t, program)
    const broker = brokerOn(t, server)
    const ear = await Ear.on(broker, 'a')
    const { id } = await publish(broker, 'a', 'before')
    await ear.hears('before')
    await server.command('DEL', 'sse:{0}:log')
    await ear.broken()
    t.equal((await broker.replay('a', id, 10)).known, false)
    await publish(broker, 'a', 'after')
    t.strictSame((await broker.replay('a', undefined, 10)).entries.map(({ data }) => data), ['after'])
    await ear.hears('before', 'after')
  })

  t.test('Redis has evicted a history: that is told', async t => {
    const server = await RedisServer.start(t, program)
    const broker = brokerOn(t, server)
    const [first, second] = [await publish(broker, 'a', '1'), await publish(broker, 'a', '2')]
    await server.command('DEL', 'sse:{0}:history:a')
    t.equal((await broker.replay('a', first.id, 10)).lost, second.id)
    t.equal((await broker.replay('a', second.id, 10)).lost, undefined)
    await publish(broker, 'a', '3')
    const { lost, entries } = await broker.replay('a', first.id, 10)
    t.strictSame([lost, entries.map(({ data }) => data)], [second.id, ['3']])
  })

  t.test('Redis does not answer: that is said in time, then at once, and all goes on when it does', async t => {
    const server = await RedisServer.start(t, program)
    const broker = brokerOn(t, server, { timeout: 300 })
    const ear = await Ear.on(broker, 'a')
    await publish(broker, 'a', 'before')
    server.pause()
    let ticks = 0
    const ticking = setInterval(() => { ticks++ }, 10)
    await t.rejects(publish(broker, 'a', 'x'), UNKNOWN)
    await t.rejects(publish(broker, 'a', 'x'), UNAVAILABLE)
    const reading = broker.replay('a', undefined, 10)
    clearInterval(ticking)
    t.not(ticks, 0, 'the process has gone on')
    server.resume()
    await insist(broker, 'a', 'after')
    await ear.hears('before', 'x', 'after')
    t.ok((await reading).entries.length >= 1)
    t.equal(ear.breaks, 0)
  })

  t.test('Redis is full: it takes nothing, and what it has can be read and heard', async t => {
    const server = await RedisServer.start(t, program)
    const broker = brokerOn(t, server)
    const ear = await Ear.on(broker, 'a')
    await publish(broker, 'a', 'before')
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    await t.rejects(publish(broker, 'a', 'x'), { ...UNAVAILABLE, message: /OOM/, cause: { message: /OOM/ } })
    const { entries, clock } = await broker.replay('a', undefined, 10)
    t.strictSame(entries.map(({ data }) => data), ['before'])
    t.equal(clock, entries[0]!.id, 'no id was given')
    await server.command('CONFIG', 'SET', 'maxmemory', '0')
    await publish(broker, 'a', 'after')
    await ear.hears('before', 'after')
  })

  t.test('scripts are forgotten: they are sent again', async t => {
    const server = await RedisServer.start(t, program)
    const broker = brokerOn(t, server)
    await publish(broker, 'a', '1')
    await server.command('SCRIPT', 'FLUSH')
    await Promise.all(['2', '3', '4'].map(text => publish(broker, 'a', text)))
    t.strictSame((await broker.replay('a', undefined, 10)).entries.map(({ data }) => data), ['1', '2', '3', '4'])
  })

  t.test('nodes publish, follow and are cut off at random: all hear all, once and in the same order', async t => {
    const server = await RedisServer.start(t, program)
    const relay = await Relay.start(t, server)
    const brokers = [brokerOn(t, relay), brokerOn(t, server), brokerOn(t, relay)]
    const channels = ['a', 'b', 'c']
    const ears = await Promise.all(brokers.flatMap(broker => channels.map(async channel => ({ channel, ear: await Ear.on(broker, channel) }))))
    const sent = new Map(channels.map(channel => [channel, new Set<string>()]))
    await Promise.all(brokers.map(async (broker, node) => {
      for (let number = 0; number < 60; number++) {
        const channel = channels[Math.floor(Math.random() * channels.length)]!
        const text = `${node}.${number}`
        sent.get(channel)!.add(text)
        if (Math.random() < 0.5) await insist(broker, channel, text)
        else await Promise.all([insist(broker, channel, text), Math.random() < 0.5 ? server.command('CLIENT', 'KILL', 'TYPE', 'pubsub') : undefined])
        if (Math.random() < 0.05) relay.cut()
      }
    }))
    for (const channel of channels) await insist(brokers[1]!, channel, 'the last')
    for (const { channel, ear } of ears) {
      await eventually(() => { assert.equal(ear.texts.at(-1), 'the last') })
      const { entries } = await brokers[1]!.replay(channel, undefined, 1_000)
      t.strictSame(ear.ids, entries.map(({ id }) => id))
      t.strictSame(new Set(ear.texts), new Set([...sent.get(channel)!, 'the last']))
      t.equal(ear.breaks, 0)
    }
  })
})
