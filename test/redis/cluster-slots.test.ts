import assert from 'node:assert/strict'
import t from 'tap'
import { TimerWheel } from '../../plugin/base/timer-wheel.ts'
import { ClusterSlots } from '../../plugin/redis/cluster-slots.ts'
import { connectionFactory } from '../../plugin/redis/connection-factory.ts'
import { resolveRedisOptions } from '../../plugin/redis/options.ts'
import { eventually } from '../fixtures/eventually.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { openBroker, publish, publishEventually, UNAVAILABLE } from '../fixtures/redis-broker.ts'
import { freePort, RedisServer } from '../fixtures/redis-server.ts'

const CLUSTER_NODE = ['--cluster-enabled', 'yes', '--cluster-port']

suiteWith(t, 'redis-server', 'the slots of a Redis Cluster', async (t, program) => {
  t.test('a node without others has the address at which it was asked', async t => {
    const server = await RedisServer.start(t, program, ...CLUSTER_NODE, `${await freePort()}`)
    const settings = resolveRedisOptions({ url: server.url, cluster: {} })
    const slots = new ClusterSlots(settings, connectionFactory(settings), new TimerWheel())
    await t.rejects(slots.primaryOf(0), { message: `The node 127.0.0.1:${server.port} belongs to no cluster` })
    await server.command('CLUSTER', 'ADDSLOTSRANGE', '0', '100')
    t.strictSame(await slots.primaryOf(100), { host: '127.0.0.1', port: server.port })
    await t.rejects(slots.primaryOf(101), { message: 'No node of the cluster serves the slot 101' })
    slots.close()
  })

  t.test('a broker works as soon as its slots are served', async t => {
    const server = await RedisServer.start(t, program, ...CLUSTER_NODE, `${await freePort()}`)
    const errors = new Set<string>()
    const broker = openBroker(t, server, { cluster: { partitions: 1 }, onError: ({ message }) => { errors.add(message) } })
    await t.rejects(publish(broker, 'a', 'x'), UNAVAILABLE)
    await server.command('CLUSTER', 'ADDSLOTSRANGE', '0', '100')
    await eventually(() => { assert.ok(errors.has('No node of the cluster serves the slot 8192')) })
    await server.command('CLUSTER', 'ADDSLOTSRANGE', '101', '16383')
    await publishEventually(broker, 'a', 'x')
  })

  t.test('the error of a Redis that is not part of a cluster is reported unchanged', async t => {
    const server = await RedisServer.start(t, program)
    const errors: string[] = []
    const broker = openBroker(t, server, { cluster: {}, onError: ({ message }) => { errors.push(message) } })
    await t.rejects(publish(broker, 'a', 'x'), UNAVAILABLE)
    t.match(errors, [/^ERR This instance has cluster support disabled/])
  })
})
