import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import { Deferred } from '../../plugin/base/deferred.ts'
import { READ } from '../../plugin/redis/lua-scripts.ts'
import { eventually } from '../fixtures/eventually.ts'
import { InstrumentedClient } from '../fixtures/instrumented-client.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { record, Recorder } from '../fixtures/recorder.ts'
import { NO_PROBES, openBroker, publish } from '../fixtures/redis-broker.ts'
import { RedisServer } from '../fixtures/redis-server.ts'
import { TcpProxy } from '../fixtures/tcp-proxy.ts'

const MEGABYTE = 1024 * 1024

suiteWith(t, 'redis-server', 'recovery of missed entries', async (t, program) => {
  const server = await RedisServer.start(t, program)
  t.beforeEach(async () => { await server.command('FLUSHALL') })

  /** A broker whose reads of histories wait until the test lets them continue, and one that publishes. */
  function setup (t: Test) {
    const client = new InstrumentedClient(server)
    // Reads wait for the test, so they must not time out.
    const broker = openBroker(t, client, { probe: NO_PROBES, timeout: 60_000 })
    const publisher = openBroker(t, server)
    const reading = new Deferred<void>()
    const mayRead = new Deferred<void>()
    client.beforeCommand = async args => {
      if (args[1] !== READ.sha1) return
      reading.resolve()
      await mayRead.promise
    }
    return { client, broker, publisher, reading: reading.promise, letRead: mayRead.resolve }
  }

  for (const isLostAgain of [false, true]) {
    t.test(`missed entries are delivered in the order of their ids over all channels, before newer ones${isLostAgain ? ', even if the connection is lost again' : ''}`, async t => {
      const { client, broker, publisher, reading, letRead } = setup(t)
      const ids: string[] = []
      const listener = { onEntry: ({ id }: { id: string }) => { ids.push(id) }, onBreak: () => { t.fail('nothing is lost') } }
      for (const channel of ['a', 'b', 'c']) await broker.subscribe(channel, listener)
      const published: string[] = []
      const publishSome = async (): Promise<void> => {
        for (let number = 0; number < 300; number++) published.push((await publish(publisher, ['a', 'b', 'c'][number % 3]!, 'x')).id)
      }
      client.subscriber.destroy()
      await publishSome()
      await reading
      client.messages = 0
      await publishSome()
      await eventually(() => { assert.ok(client.messages >= 300) })
      if (isLostAgain) {
        const { subscriptions } = client
        client.connections.at(-1)!.destroy()
        await eventually(() => { assert.ok(client.subscriptions > subscriptions) })
      }
      letRead()
      await eventually(() => { assert.equal(ids.length, published.length) })
      t.strictSame(ids, published)
    })
  }

  t.test('if more messages arrive than can be held, listeners receive a break', async t => {
    const { client, broker, publisher, reading, letRead } = setup(t)
    const [recorder, small] = [await record(broker, 'a'), await record(broker, 'small')]
    client.subscriber.destroy()
    await publish(publisher, 'small', 'x')
    await reading
    client.messages = 0
    for (let number = 0; number < 17; number++) await publish(publisher, 'a', 'x'.repeat(MEGABYTE), { bytes: 64 * MEGABYTE })
    await publish(publisher, 'small', 'y')
    await eventually(() => { assert.ok(client.messages >= 18) })
    letRead()
    await recorder.receivesBreak()
    await small.receivesBreak()
    t.strictSame(recorder.data, [])
    await publish(publisher, 'a', 'z')
    await recorder.receives('z')
  })

  t.test('after a listener closes the broker on a break, no other listener is called', async t => {
    const broker = openBroker(t, server)
    const closed = new Deferred<void>()
    const other = new Recorder()
    await broker.subscribe('a', {
      onEntry: () => {},
      onBreak: () => {
        broker.close()
        closed.resolve()
      }
    })
    await broker.subscribe('b', other)
    await server.command('FLUSHALL')
    await closed.promise
    await new Promise(setImmediate)
    t.equal(other.breaks, 0)
  })

  t.test('after a listener closes the broker on a missed entry, it receives no further one', async t => {
    const proxy = await TcpProxy.start(t, server)
    const [broker, publisher] = [openBroker(t, proxy), openBroker(t, server)]
    const received: unknown[] = []
    await broker.subscribe('a', {
      onEntry: ({ data }) => {
        received.push(data)
        if (received.length === 1) broker.close()
      },
      onBreak: () => {}
    })
    proxy.disconnect()
    for (const text of ['1', '2', '3']) await publish(publisher, 'a', text)
    proxy.target = server.port
    await eventually(() => { assert.notEqual(received.length, 0) })
    await new Promise(setImmediate)
    t.strictSame(received, ['1'])
  })
})
