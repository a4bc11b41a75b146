import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { createClient } from 'redis'
import { redisBroker } from '../../plugin/redis/index.ts'
import { brokerContract } from '../../plugin/testing/index.ts'
import { eventually } from '../fixtures/eventually.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { record } from '../fixtures/recorder.ts'
import { dataOf, openBroker, publish } from '../fixtures/redis-broker.ts'
import { RedisServer } from '../fixtures/redis-server.ts'

const DOCUMENT = readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8')

suiteWith(t, 'redis-server', 'a broker on Redis', async (t, program) => {
  const server = await RedisServer.start(t, program)

  for (const { name, run } of brokerContract(() => redisBroker({ url: server.url }), { timeout: 30_000 })) t.test(name, run)

  t.test('it opens two connections, however many channels are followed, and closes them', async t => {
    await eventually(async () => { assert.equal(await server.connectionCount(), 0) })
    const broker = openBroker(t, server)
    await Promise.all(Array.from({ length: 100 }, (_, number) => record(broker, `${number}`)))
    t.equal(await server.connectionCount(), 2)
    await broker.close()
    await eventually(async () => { assert.equal(await server.connectionCount(), 0) })
  })

  t.test('it connects with the options of a client, and leaves the client alone', async t => {
    await server.command('ACL', 'SETUSER', 'somebody', 'on', '>secret', 'allcommands', 'allkeys', 'allchannels')
    const client = createClient({ url: server.url, username: 'somebody', password: 'secret' })
    const broker = redisBroker({ client, prefix: 'other:' })
    t.teardown(() => broker.close())
    await publish(broker, 'a', 'x')
    t.match(await server.command('CLIENT', 'LIST'), /user=somebody/)
    t.equal(client.isOpen, false)
  })

  t.test('the documented permissions are sufficient', async t => {
    const [, permissions] = /^ACL SETUSER sse ([^`]*)/m.exec(DOCUMENT)!
    const restricted = await RedisServer.start(t, program)
    await restricted.command('ACL', 'SETUSER', 'sse', ...permissions!.trim().split(/\s+/))
    const errors: string[] = []
    const broker = openBroker(t, { url: restricted.url.replace('//', '//sse:password@') }, { wait: { replicas: 1, timeout: 1 }, onError: ({ message }) => { errors.push(message) } })
    const recorder = await record(broker, 'a')
    await t.rejects(publish(broker, 'a', 'x', { count: 1, idempotencyKey: 'once' }), { code: 'SSE_ERR_BROKER_UNKNOWN', detail: /0 of 1 replicas/ })
    await t.rejects(publish(broker, 'a', 'y', { count: 1, age: 0 }), { code: 'SSE_ERR_BROKER_UNKNOWN', detail: /0 of 1 replicas/ })
    await recorder.receives('x', 'y')
    t.strictSame(await dataOf(broker, 'a'), ['y'])
    recorder.subscription.unsubscribe()
    await eventually(async () => { assert.deepEqual(await restricted.command('PUBSUB', 'CHANNELS', '*:live:*'), []) })
    t.strictSame(errors, [])
  })

  t.test('it is ready while it has its connections', async t => {
    const ownServer = await RedisServer.start(t, program)
    const broker = openBroker(t, ownServer)
    const becomes = async (ready: boolean): Promise<void> => await eventually(() => { assert.equal(broker.ready, ready) })
    t.equal(broker.ready, false)
    await becomes(true)
    await ownServer.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await becomes(false)
    await becomes(true)
    await ownServer.kill()
    await becomes(false)
    await ownServer.start()
    await becomes(true)
    await broker.close()
    t.equal(broker.ready, false)
  })

  t.test('a malformed URL throws immediately', async t => {
    t.throws(() => redisBroker({ url: 'redis://[' }), TypeError)
  })
})
