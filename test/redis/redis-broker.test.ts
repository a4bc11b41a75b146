import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { createClient } from 'redis'
import { Deferred } from '../../plugin/base/deferred.ts'
import { redisBroker } from '../../plugin/redis/index.ts'
import { READ, PUBLISH } from '../../plugin/redis/lua-scripts.ts'
import { brokerContract } from '../../plugin/testing/index.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { brokerOn, Ear, eventually, OpenClient, publish, RedisServer } from '../fixtures/redis.ts'

const DOCUMENT = readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8')

suiteWith(t, 'redis-server', 'a broker in Redis', async (t, program) => {
  const server = await RedisServer.start(t, program)

  for (const { name, run } of brokerContract(() => redisBroker({ url: server.url }), { patience: 30_000 })) t.test(name, run)

  const connections = async (): Promise<number> => `${await server.command('CLIENT', 'LIST')}`.trim().split('\n').length - 1

  t.test('it takes two connections, whatever there is to follow, and gives them back', async t => {
    await eventually(async () => { if (await connections() !== 0) throw new Error('Another test has left some') })
    const broker = brokerOn(t, server)
    await Promise.all(Array.from({ length: 100 }, (_, number) => Ear.on(broker, `${number}`)))
    t.equal(await connections(), 2)
    await broker.close()
    await eventually(async () => { if (await connections() !== 0) throw new Error('They are there still') })
  })

  t.test('it connects as a client does, which stays as it was', async t => {
    await server.command('ACL', 'SETUSER', 'somebody', 'on', '>secret', 'allcommands', 'allkeys', 'allchannels')
    const client = createClient({ url: server.url, username: 'somebody', password: 'secret' })
    const broker = redisBroker({ client, prefix: 'other:' })
    t.teardown(() => broker.close())
    await publish(broker, 'a', 'x')
    t.match(await server.command('CLIENT', 'LIST'), /user=somebody/)
    t.equal(client.isOpen, false)
  })

  t.test('it needs no more rights than are documented', async t => {
    const [, rights] = /^ACL SETUSER sse ([^`]*)/m.exec(DOCUMENT)!
    const guarded = await RedisServer.start(t, program)
    await guarded.command('ACL', 'SETUSER', 'sse', ...rights!.trim().split(/\s+/))
    const said: string[] = []
    const broker = brokerOn(t, { url: guarded.url.replace('//', '//sse:password@') }, { wait: { replicas: 1, timeout: 1 }, onError: ({ message }) => { said.push(message) } })
    const ear = await Ear.on(broker, 'a')
    await t.rejects(publish(broker, 'a', 'x', { count: 1, idempotencyKey: 'once' }), { message: /0 of 1 replicas/ })
    await t.rejects(publish(broker, 'a', 'y', { count: 1, age: 0 }), { message: /0 of 1 replicas/ })
    await ear.hears('x', 'y')
    t.strictSame((await broker.replay('a', undefined, 10)).entries.map(({ data }) => data), ['y'])
    ear.subscription.unsubscribe()
    await eventually(async () => { assert.strictEqual((await guarded.command('PUBSUB', 'CHANNELS', '*:live:*') as string[]).length, 0) })
    t.strictSame(said, [])
  })

  t.test('it is ready while it has its connections', async t => {
    const own = await RedisServer.start(t, program)
    const broker = brokerOn(t, own)
    const becomes = async (ready: boolean): Promise<void> => await eventually(() => { assert.equal(broker.ready, ready) })
    t.equal(broker.ready, false)
    await becomes(true)
    await own.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await becomes(false)
    await becomes(true)
    await own.kill()
    await becomes(false)
    await own.start()
    await becomes(true)
    await broker.close()
    t.equal(broker.ready, false)
  })

  t.test('what cannot be understood as a URL is refused at once', async t => {
    t.throws(() => redisBroker({ url: 'redis://[' }), TypeError)
  })

  t.test('no more publications wait for Redis than may', async t => {
    const client = new OpenClient(server)
    const broker = brokerOn(t, client, { maxPending: 2_000 })
    const going = new Deferred<void>()
    client.before = async args => { if (args[1] === PUBLISH.sha) await going.promise }
    const large = publish(broker, 'a', 'x'.repeat(5_000))
    await t.rejects(publish(broker, 'a', 'x'), { code: 'SSE_ERR_BROKER_BUSY', statusCode: 503 })
    going.resolve()
    await large
    await Promise.all(['1', '2', '3'].map(text => publish(broker, 'a', text)))
    await t.rejects(Promise.all(['1', '2', '3', '4'].map(text => publish(broker, 'a', text))), { code: 'SSE_ERR_BROKER_BUSY' })
  })

  t.test('no more read or subscribe at once than may', async t => {
    const client = new OpenClient(server)
    const broker = brokerOn(t, client, { maxReplays: 2, maxWaiting: 3 })
    const going = new Deferred<void>()
    let asked = 0
    client.before = async args => {
      if (args[1] !== READ.sha) return
      asked++
      await going.promise
    }
    const BUSY = { code: 'SSE_ERR_BROKER_BUSY' }
    const reading = Array.from({ length: 5 }, () => broker.replay('a', undefined, 1))
    await t.rejects(broker.replay('a', undefined, 1), BUSY)
    const following = ['a', 'a', 'b'].map(channel => Ear.on(broker, channel))
    await t.rejects(Ear.on(broker, 'b'), BUSY)
    await Promise.all(following)
    await eventually(() => { if (asked < 2) throw new Error('It does not ask') })
    t.equal(asked, 2)
    going.resolve()
    await Promise.all(reading)
    await Promise.all(['b', 'c'].map(channel => Ear.on(broker, channel)))
    await broker.replay('a', undefined, 1)
  })

  t.test('what is published before it is connected is published when it is', async t => {
    const broker = brokerOn(t, server)
    const { id } = await publish(broker, 'early', 'x')
    t.equal((await broker.replay('early', undefined, 1)).entries[0]!.id, id)
  })

  t.test('closed before it is connected, it does not publish', async t => {
    const broker = brokerOn(t, server)
    const publishing = publish(broker, 'a', 'x')
    await broker.close()
    await t.rejects(publishing, { code: 'SSE_ERR_BROKER_CLOSED' })
    await eventually(async () => { if (await connections() !== 0) throw new Error('It is still connected') })
  })
})
