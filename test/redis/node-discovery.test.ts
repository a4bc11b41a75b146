import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import t, { type Test } from 'tap'
import type { Address } from '../../plugin/redis/node-redis.ts'
import { connector } from '../../plugin/redis/connection-factory.ts'
import { Locator, type LocatorOptions } from '../../plugin/redis/node-discovery.ts'
import { resolveRedisOptions } from '../../plugin/redis/options.ts'
import { TimerWheel } from '../../plugin/base/timer-wheel.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { eventually, freePort, RedisServer } from '../fixtures/redis.ts'

/** Takes connections and says nothing. */
async function silent (t: Test): Promise<{ address: Address, sockets: Set<net.Socket> }> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => { sockets.delete(socket) }).resume()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => { server.close() })
  return { address: { host: '127.0.0.1', port: (server.address() as net.AddressInfo).port }, sockets }
}

suiteWith(t, 'redis-server', 'who knows where Redis is', async (t, program) => {
  const server = await RedisServer.start(t, program)
  const there = { host: '127.0.0.1', port: server.port }
  const nowhere = async (): Promise<Address> => ({ host: '127.0.0.1', port: await freePort() })

  function open (options: Partial<LocatorOptions<string>> & { seeds: Address[] }) {
    const timeout = options.timeout ?? 2_000
    const connect = connector(resolveRedisOptions({ timeout }))
    const asked: Address[] = []
    const locator = new Locator<string>({
      timeout,
      wheel: new TimerWheel(),
      create: address => {
        asked.push(address)
        return connect(address)
      },
      ask: async line => `${await line.call(['PING'])}`,
      ...options
    })
    return { locator, asked }
  }

  t.test('the first that answers is believed, and the others are let go', async t => {
    const { address, sockets } = await silent(t)
    const { locator } = open({ seeds: [await nowhere(), address, there], timeout: 60_000 })
    t.equal(await locator.locate(), 'PONG')
    await eventually(() => { assert.equal(sockets.size, 0) })
    await eventually(async () => { assert.equal(`${await server.command('CLIENT', 'LIST')}`.trim().split('\n').length, 1) })
  })

  t.test('where none answers in time, it is said why', async t => {
    const { address, sockets } = await silent(t)
    await t.rejects(open({ seeds: [address], timeout: 100 }).locator.locate(), { message: /has not answered for 100 ms|timeout/i })
    await eventually(() => { assert.equal(sockets.size, 0) })
    await t.rejects(open({ seeds: [await nowhere()] }).locator.locate(), { code: 'ECONNREFUSED' })
    await t.rejects(open({ seeds: [there], ask: async line => `${await line.call(['NONSENSE'])}` }).locator.locate(), { message: /^ERR unknown command/ })
  })

  t.test('many who want to know at the same time ask once', async t => {
    const { locator, asked } = open({ seeds: [there] })
    t.strictSame(await Promise.all(Array.from({ length: 20 }, () => locator.locate())), Array(20).fill('PONG'))
    t.equal(asked.length, 1)
    await locator.locate()
    t.equal(asked.length, 2)
  })

  t.test('of many, some are asked, others each time', async t => {
    const seeds = await Promise.all(Array.from({ length: 20 }, () => nowhere()))
    const { locator, asked } = open({ seeds })
    await t.rejects(locator.locate())
    t.equal(new Set(asked).size, 8)
    await eventually(async () => {
      await locator.locate().catch(() => {})
      assert.equal(new Set(asked).size, seeds.length)
    })
  })

  t.test('when all that were given are gone, those are asked that are known by then', async t => {
    const { locator, asked } = open({ seeds: [await nowhere()] })
    await t.rejects(locator.locate())
    locator.learn([there, { ...there }])
    t.equal(await locator.locate(), 'PONG')
    t.equal(asked.filter(({ port }) => port === there.port).length, 1)
  })

  t.test('closed while it asks, it lets go of whom it asks', async t => {
    const { address, sockets } = await silent(t)
    const { locator } = open({ seeds: [address], timeout: 60_000 })
    locator.locate()
    await eventually(() => { assert.equal(sockets.size, 1) })
    locator.close()
    await eventually(() => { assert.equal(sockets.size, 0) })
  })
})
