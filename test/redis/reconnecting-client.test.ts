import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import t, { type Test } from 'tap'
import { Deferred } from '../../plugin/base/deferred.ts'
import { TimerWheel } from '../../plugin/base/timer-wheel.ts'
import { LuaScript } from '../../plugin/redis/lua-scripts.ts'
import type { RedisConnection } from '../../plugin/redis/node-redis.ts'
import { ReconnectingClient, type ReconnectingClientOptions } from '../../plugin/redis/reconnecting-client.ts'
import { eventually } from '../fixtures/eventually.ts'

const UNAVAILABLE = 'SSE_ERR_BROKER_UNAVAILABLE'
const UNKNOWN = 'SSE_ERR_BROKER_UNKNOWN'

/** A connection that the test controls. */
class FakeConnection extends EventEmitter implements RedisConnection {
  readonly connected = new Deferred<void>()
  readonly commands: Array<{ args: string[], reply: Deferred<unknown> }> = []
  destroyed = false

  async connect (): Promise<void> { await this.connected.promise }
  destroy (): void { this.destroyed = true }
  async subscribe (): Promise<void> {}
  async unsubscribe (): Promise<void> {}
  async sSubscribe (): Promise<void> {}
  async sUnsubscribe (): Promise<void> {}

  async sendCommand (args: string[]): Promise<unknown> {
    const reply = new Deferred<unknown>()
    this.commands.push({ args, reply })
    return await reply.promise
  }
}

function setup (t: Test, options: Partial<ReconnectingClientOptions> = {}) {
  const connections: FakeConnection[] = []
  const errors: Error[] = []
  const wheel = new TimerWheel()
  const client = new ReconnectingClient({
    createConnection: () => {
      const connection = new FakeConnection()
      connections.push(connection)
      return connection
    },
    timeout: 60_000,
    wheel,
    prepare: async () => {},
    onError: error => { errors.push(error) },
    ...options
  })
  // Without real connections, nothing else would keep the process alive.
  const keepAlive = setInterval(() => {}, 1_000)
  t.teardown(() => {
    client.close()
    clearInterval(keepAlive)
  })
  /** Waits for a connection, counted from 1. */
  const connection = async (number: number): Promise<FakeConnection> => await eventually(() => {
    if (connections.length < number) throw new Error('There is no such connection yet')
    return connections[number - 1]!
  })
  return { client, connections, errors, wheel, connection }
}

/** A client whose first connection is established. */
async function setupReady (t: Test, options: Partial<ReconnectingClientOptions> = {}) {
  const all = setup(t, options)
  const first = await all.connection(1)
  first.connected.resolve()
  await all.client.ready
  return { ...all, first }
}

t.test('a client is ready when its connection is established and prepared', async t => {
  const prepared = new Deferred<void>()
  const { client, connections: [connection] } = setup(t, { prepare: () => prepared.promise })
  t.throws(() => { client.assertReady() }, { code: UNAVAILABLE, detail: /not connected yet/ })
  await t.rejects(client.call(['PING']), { code: UNAVAILABLE })
  connection!.connected.resolve()
  await new Promise(setImmediate)
  t.equal(client.isReady, false)
  prepared.resolve()
  await client.ready
  await client.firstAttempt
  t.equal(client.isReady, true)
  client.assertReady()
  const reply = client.call(['PING'])
  t.strictSame(connection!.commands[0]!.args, ['PING'])
  connection!.commands[0]!.reply.resolve('PONG')
  t.equal(await reply, 'PONG')
})

t.test('a connection that refuses to be destroyed because it is closed does not hide why it was lost', async t => {
  const { errors, connection } = setup(t)
  const first = await connection(1)
  first.destroy = () => { throw new Error('The client is closed') }
  first.connected.reject(new Error('ECONNREFUSED'))
  await connection(2)
  t.match(errors, [{ message: 'ECONNREFUSED' }])
})

t.test('the address is looked up before each attempt to connect', async t => {
  const found = [{ host: 'one', port: 1 }, new Error('lookup failed'), { host: 'other', port: 2 }]
  const created: unknown[] = []
  const connections: FakeConnection[] = []
  const { client, errors } = setup(t, {
    findAddress: async () => {
      const next = found.shift()!
      if (next instanceof Error) throw next
      return next
    },
    createConnection: address => {
      created.push(address)
      connections.push(new FakeConnection())
      connections.at(-1)!.connected.resolve()
      return connections.at(-1)!
    }
  })
  await client.ready
  connections[0]!.emit('sharded-channel-moved')
  t.throws(() => { client.assertReady() }, { code: UNAVAILABLE, detail: /have moved to another node/ })
  await client.ready
  t.strictSame(created, [{ host: 'one', port: 1 }, { host: 'other', port: 2 }])
  t.match(errors, [{ message: /have moved to another node/ }, { message: 'lookup failed' }])
})

t.test('a client that is closed while its address is looked up does not connect', async t => {
  const found = new Deferred<{ host: string, port: number }>()
  const { client, connections } = setup(t, { findAddress: () => found.promise })
  client.close()
  await new Promise(setImmediate)
  found.resolve({ host: 'late', port: 1 })
  await new Promise(setImmediate)
  t.equal(connections.length, 0)
  await t.rejects(client.ready, { code: 'SSE_ERR_BROKER_CLOSED' })
})

t.test('when the connection is lost, the outcome of pending commands is unknown and the client reconnects', async t => {
  const { client, errors, connection, wheel, first } = await setupReady(t)
  const reply = client.call(['PING'])
  const error = new Error('read ECONNRESET')
  first.emit('error', error)
  await t.rejects(reply, { code: UNKNOWN, detail: /read ECONNRESET/, cause: error })
  t.throws(() => { client.assertReady() }, { code: UNAVAILABLE, detail: /read ECONNRESET/ })
  const second = await connection(2)
  t.equal(first.destroyed, true)
  t.equal(wheel.size, 1, 'only the attempt to connect has a deadline')
  first.emit('error', new Error('too late'))
  first.emit('end')
  second.connected.resolve()
  await client.ready
  t.strictSame(errors, [error])
  second.emit('end')
  await connection(3)
  t.match(errors[1], { message: 'The connection to Redis was closed' })
})

t.test('a reason is reported once, until the client is ready or the reason changes', async t => {
  const { client, errors, connection } = setup(t)
  for (const [number, reason] of ['away', 'away', 'elsewhere', 'away'].entries()) (await connection(number + 1)).connected.reject(new Error(reason))
  await client.firstAttempt
  const fifth = await connection(5)
  t.strictSame(errors.map(({ message }) => message), ['away', 'elsewhere', 'away'])
  fifth.connected.resolve()
  await client.ready
  fifth.emit('error', new Error('away'))
  await connection(6)
  t.equal(errors.length, 4)
})

t.test('if several addresses of a host failed, the reason is their code', async t => {
  const { client, connection } = setup(t)
  const first = await connection(1)
  first.connected.reject(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }))
  await client.firstAttempt
  t.throws(() => { client.assertReady() }, { code: UNAVAILABLE, detail: /ECONNREFUSED/ })
})

t.test('a connection that is lost during its preparation does not become ready', async t => {
  const { client, connection, errors } = setup(t, { prepare: async () => { if (errors.length === 0) client.disconnect(new Error('just now')) } })
  ;(await connection(1)).connected.resolve()
  const second = await connection(2)
  t.equal(client.isReady, false)
  second.connected.resolve()
  await client.ready
})

t.test('a connection that is given up while connecting is destroyed as soon as it is established', async t => {
  const { client, connection } = setup(t)
  const first = await connection(1)
  client.close()
  await new Promise(setImmediate)
  t.equal(first.destroyed, false)
  first.emit('connect')
  await new Promise(setImmediate)
  t.equal(first.destroyed, true)
})

t.test('a reply that does not arrive in time closes the connection', async t => {
  const { client } = await setupReady(t, { timeout: 50 })
  await t.rejects(client.call(['PING']), { code: UNKNOWN, detail: /Redis did not reply within 50 ms/ })
  t.equal(client.isReady, false)
})

t.test('a busy process reads a reply that has arrived before it times out', async t => {
  const { client, first } = await setupReady(t, { timeout: 50 })
  // In an immediate, so that timers run before the next one.
  await new Promise(setImmediate)
  const reply = client.call(['PING'])
  const end = performance.now() + 300
  while (performance.now() < end);
  setImmediate(() => { first.commands[0]!.reply.resolve('PONG') })
  t.equal(await reply, 'PONG')
  await new Promise(setImmediate)
  t.equal(client.isReady, true)
})

t.test('an error reply keeps the connection', async t => {
  const { client, first } = await setupReady(t)
  const reply = client.call(['GET', 'a'])
  const error = new Error('WRONGTYPE Operation against a key holding the wrong kind of value')
  first.commands[0]!.reply.reject(error)
  t.equal(await reply.catch(error => error), error)
  t.equal(client.isReady, true)
})

t.test('an error reply of an unavailable server closes the connection', async t => {
  const { client, first } = await setupReady(t)
  const [refused, other] = [client.call(['SET', 'a', '']), client.call(['SET', 'b', ''])]
  first.commands[0]!.reply.reject(new Error('MOVED 8192 127.0.0.1:7001'))
  await t.rejects(refused, { code: UNAVAILABLE })
  await t.rejects(other, { code: UNKNOWN })
  t.equal(client.isReady, false)
})

t.test('a script is called by its digest, and sent if Redis does not have it', async t => {
  const { client, first } = await setupReady(t)
  const script = new LuaScript(1, 'return 1')
  const reply = client.callScript(script, 'key', 'argument')
  t.strictSame(first.commands[0]!.args, ['EVALSHA', script.sha1, '1', 'key', 'argument'])
  first.commands[0]!.reply.reject(new Error('NOSCRIPT No matching script. Please use EVAL.'))
  await eventually(() => { if (first.commands.length < 2) throw new Error('The script was not sent yet') })
  t.strictSame(first.commands[1]!.args, ['EVAL', script.source, '1', 'key', 'argument'])
  first.commands[1]!.reply.reject(new Error('ERR something else'))
  await t.rejects(reply, { message: 'ERR something else' })
})

t.test('a closed client rejects everything and does not reconnect', async t => {
  const { client, first, wheel, connections } = await setupReady(t)
  const reply = client.call(['PING'])
  client.close()
  await t.rejects(reply, { code: UNKNOWN })
  await t.rejects(client.ready, { code: 'SSE_ERR_BROKER_CLOSED' })
  await new Promise(setImmediate)
  t.equal(first.destroyed, true)
  t.equal(wheel.size, 0)
  t.equal(connections.length, 1)
})

t.test('a client that is closed between two attempts does not connect again', async t => {
  const errors = new EventEmitter()
  const { client, connections } = setup(t, { onError: error => { errors.emit('reported', error) } })
  const reported = once(errors, 'reported')
  connections[0]!.connected.reject(new Error('away'))
  await reported
  client.close()
  await t.rejects(client.ready, { code: 'SSE_ERR_BROKER_CLOSED' })
  await new Promise(setImmediate)
  t.equal(connections.length, 1)
})

t.test('a connection that cannot be created is tried again', async t => {
  let attempts = 0
  const connection = new FakeConnection()
  const { client, errors } = setup(t, {
    createConnection: () => {
      if (++attempts === 1) throw new Error('not now')
      return connection
    }
  })
  await eventually(() => { assert.equal(attempts, 2) })
  connection.connected.resolve()
  await client.ready
  t.match(errors, [{ message: 'not now' }])
})
