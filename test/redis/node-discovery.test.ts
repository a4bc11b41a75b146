import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import t, { type Test } from 'tap'
import { TimerWheel } from '../../plugin/base/timer-wheel.ts'
import { connectionFactory } from '../../plugin/redis/connection-factory.ts'
import { NodeDiscovery, type NodeDiscoveryOptions } from '../../plugin/redis/node-discovery.ts'
import type { Address } from '../../plugin/redis/node-redis.ts'
import { resolveRedisOptions } from '../../plugin/redis/options.ts'
import { eventually } from '../fixtures/eventually.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { freePort, RedisServer } from '../fixtures/redis-server.ts'

/** A server that accepts connections and never replies. */
async function startSilentServer (t: Test): Promise<{ address: Address, sockets: Set<net.Socket> }> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => { sockets.delete(socket) }).resume()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => { server.close() })
  return { address: { host: '127.0.0.1', port: (server.address() as net.AddressInfo).port }, sockets }
}

async function unusedAddress (): Promise<Address> {
  return { host: '127.0.0.1', port: await freePort() }
}

suiteWith(t, 'redis-server', 'node discovery', async (t, program) => {
  const server = await RedisServer.start(t, program)
  const serverAddress = { host: '127.0.0.1', port: server.port }

  function setup (options: Partial<NodeDiscoveryOptions<string>> & { seeds: Address[] }) {
    const timeout = options.timeout ?? 2_000
    const createConnection = connectionFactory(resolveRedisOptions({ timeout }))
    const asked: Address[] = []
    const discovery = new NodeDiscovery<string>({
      timeout,
      wheel: new TimerWheel(),
      createConnection: address => {
        asked.push(address)
        return createConnection(address)
      },
      ask: async client => `${await client.call(['PING'])}`,
      ...options
    })
    return { discovery, asked }
  }

  t.test('the first answer counts, and all connections are closed', async t => {
    const { address, sockets } = await startSilentServer(t)
    const { discovery } = setup({ seeds: [await unusedAddress(), address, serverAddress], timeout: 60_000 })
    t.equal(await discovery.discover(), 'PONG')
    await eventually(() => { assert.equal(sockets.size, 0) })
    await eventually(async () => { assert.equal(await server.connectionCount(), 0) })
  })

  t.test('without any answer, it rejects with the first failure', async t => {
    const { address, sockets } = await startSilentServer(t)
    await t.rejects(setup({ seeds: [address], timeout: 100 }).discovery.discover(), { message: /did not reply within 100 ms|timeout/i })
    await eventually(() => { assert.equal(sockets.size, 0) })
    await t.rejects(setup({ seeds: [await unusedAddress()] }).discovery.discover(), { code: 'ECONNREFUSED' })
    await t.rejects(setup({ seeds: [serverAddress], ask: async client => `${await client.call(['NONSENSE'])}` }).discovery.discover(), { message: /^ERR unknown command/ })
  })

  t.test('concurrent calls share one discovery', async t => {
    const { discovery, asked } = setup({ seeds: [serverAddress] })
    t.strictSame(await Promise.all(Array.from({ length: 20 }, () => discovery.discover())), Array(20).fill('PONG'))
    t.equal(asked.length, 1)
    await discovery.discover()
    t.equal(asked.length, 2)
  })

  t.test('of many addresses, a different selection is asked each time', async t => {
    const seeds = await Promise.all(Array.from({ length: 20 }, () => unusedAddress()))
    const { discovery, asked } = setup({ seeds })
    await t.rejects(discovery.discover())
    t.equal(new Set(asked).size, 8)
    await eventually(async () => {
      await discovery.discover().catch(() => {})
      assert.equal(new Set(asked).size, seeds.length)
    })
  })

  t.test('learned addresses are asked as well, each once', async t => {
    const { discovery, asked } = setup({ seeds: [await unusedAddress()] })
    await t.rejects(discovery.discover())
    discovery.learn([serverAddress, { ...serverAddress }])
    t.equal(await discovery.discover(), 'PONG')
    t.equal(asked.filter(({ port }) => port === server.port).length, 1)
  })

  t.test('closing it closes the connections of a discovery that is under way', async t => {
    const { address, sockets } = await startSilentServer(t)
    const { discovery } = setup({ seeds: [address], timeout: 60_000 })
    discovery.discover()
    await eventually(() => { assert.equal(sockets.size, 1) })
    discovery.close()
    await eventually(() => { assert.equal(sockets.size, 0) })
  })
})
