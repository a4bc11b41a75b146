import { EventEmitter, once } from 'node:events'
import t, { type Test } from 'tap'
import { Deferred } from '../../plugin/base/deferred.ts'
import type { RedisConnection } from '../../plugin/redis/node-redis.ts'
import { Line, type LineOptions } from '../../plugin/redis/reconnecting-client.ts'
import { Script } from '../../plugin/redis/lua-scripts.ts'
import { TimerWheel } from '../../plugin/base/timer-wheel.ts'
import { eventually } from '../fixtures/redis.ts'

const UNAVAILABLE = 'SSE_ERR_BROKER_UNAVAILABLE'
const UNKNOWN = 'SSE_ERR_BROKER_UNKNOWN'

/** A connection that does as it is told. */
class FakeConnection extends EventEmitter implements RedisConnection {
  readonly connected = new Deferred<void>()
  readonly asked: Array<{ args: string[], answer: Deferred<unknown> }> = []
  destroyed = false

  async connect (): Promise<void> { await this.connected.promise }
  destroy (): void { this.destroyed = true }
  async subscribe (): Promise<void> {}
  async unsubscribe (): Promise<void> {}
  async sSubscribe (): Promise<void> {}
  async sUnsubscribe (): Promise<void> {}

  async sendCommand (args: string[]): Promise<unknown> {
    const answer = new Deferred<unknown>()
    this.asked.push({ args, answer })
    return await answer.promise
  }
}

function open (t: Test, options: Partial<LineOptions> = {}) {
  const connections: FakeConnection[] = []
  const errors: Error[] = []
  const wheel = new TimerWheel()
  const line = new Line({
    create: () => {
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
  // Nothing else would keep the process, where there are no real connections.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => {
    line.close()
    clearInterval(alive)
  })
  return {
    line,
    connections,
    errors,
    wheel,
    /** The connection of this number, counted from 1, when it is there. */
    connection: async (number: number) => await eventually(() => {
      if (connections.length < number) throw new Error('There is no other connection')
      return connections[number - 1]!
    })
  }
}

t.test('it is up when it is connected and prepared', async t => {
  const prepared = new Deferred<void>()
  const { line, connections: [connection] } = open(t, { prepare: () => prepared.promise })
  t.throws(() => { line.assertUp() }, { code: UNAVAILABLE, message: /it was not connected yet/ })
  await t.rejects(line.call(['PING']), { code: UNAVAILABLE })
  connection!.connected.resolve()
  await new Promise(setImmediate)
  t.equal(line.isUp, false)
  prepared.resolve()
  await line.up
  await line.attempted
  t.equal(line.isUp, true)
  line.assertUp()
  const answer = line.call(['PING'])
  t.strictSame(connection!.asked[0]!.args, ['PING'])
  connection!.asked[0]!.answer.resolve('PONG')
  t.equal(await answer, 'PONG')
})

t.test('where it has to be found first, it is looked for each time', async t => {
  const found = [{ host: 'one', port: 1 }, new Error('nobody knows'), { host: 'other', port: 2 }]
  const created: unknown[] = []
  const connections: FakeConnection[] = []
  const { line, errors } = open(t, {
    locate: async () => {
      const next = found.shift()!
      if (next instanceof Error) throw next
      return next
    },
    create: address => {
      created.push(address)
      connections.push(new FakeConnection())
      connections.at(-1)!.connected.resolve()
      return connections.at(-1)!
    }
  })
  await line.up
  connections[0]!.emit('sharded-channel-moved')
  t.throws(() => { line.assertUp() }, { code: UNAVAILABLE, message: /has moved to another node/ })
  await line.up
  t.strictSame(created, [{ host: 'one', port: 1 }, { host: 'other', port: 2 }])
  t.match(errors, [{ message: /has moved to another node/ }, { message: 'nobody knows' }])
})

t.test('closed while it is looked for, it is not connected', async t => {
  const found = new Deferred<{ host: string, port: number }>()
  const { line, connections } = open(t, { locate: () => found.promise })
  line.close()
  await new Promise(setImmediate)
  found.resolve({ host: 'late', port: 1 })
  await new Promise(setImmediate)
  t.equal(connections.length, 0)
  await t.rejects(line.up, { code: 'SSE_ERR_BROKER_CLOSED' })
})

t.test('when it is lost, what was asked is not known, and it is made again', async t => {
  const { line, errors, connection, wheel } = open(t)
  const first = await connection(1)
  first.connected.resolve()
  await line.up
  const answer = line.call(['PING'])
  const error = new Error('read ECONNRESET')
  first.emit('error', error)
  await t.rejects(answer, { code: UNKNOWN, message: /read ECONNRESET/, cause: error })
  t.throws(() => { line.assertUp() }, { code: UNAVAILABLE, message: /read ECONNRESET/ })
  const second = await connection(2)
  t.equal(first.destroyed, true)
  t.equal(wheel.size, 1, 'only that it connects has a deadline')
  first.emit('error', new Error('said late'))
  first.emit('end')
  second.connected.resolve()
  await line.up
  t.strictSame(errors, [error])
  second.emit('end')
  await connection(3)
  t.match(errors[1], { message: 'The connection was closed' })
})

t.test('a reason is told once, until it is up again or there is another', async t => {
  const { line, errors, connection } = open(t)
  for (const [number, reason] of ['away', 'away', 'elsewhere', 'away'].entries()) (await connection(number + 1)).connected.reject(new Error(reason))
  await line.attempted
  const fifth = await connection(5)
  t.strictSame(errors.map(({ message }) => message), ['away', 'elsewhere', 'away'])
  fifth.connected.resolve()
  await line.up
  fifth.emit('error', new Error('away'))
  await connection(6)
  t.equal(errors.length, 4)
})

t.test('where several addresses were tried, the reason is their code', async t => {
  const { line, connection } = open(t)
  const first = await connection(1)
  first.connected.reject(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }))
  await line.attempted
  t.throws(() => { line.assertUp() }, { message: /ECONNREFUSED/ })
})

t.test('a connection that is lost while it is prepared does not come up', async t => {
  const { line, connection, errors } = open(t, { prepare: async () => { if (errors.length === 0) line.lose(new Error('just now')) } })
  ;(await connection(1)).connected.resolve()
  const second = await connection(2)
  t.equal(line.isUp, false)
  second.connected.resolve()
  await line.up
})

t.test('a connection that is lost while it is made is destroyed as soon as it is there', async t => {
  const { line, connection } = open(t)
  const first = await connection(1)
  line.close()
  await new Promise(setImmediate)
  t.equal(first.destroyed, false)
  first.emit('connect')
  await new Promise(setImmediate)
  t.equal(first.destroyed, true)
})

t.test('an answer that does not come in time takes the connection with it', async t => {
  const { line, connection } = open(t, { timeout: 50 })
  ;(await connection(1)).connected.resolve()
  await line.up
  await t.rejects(line.call(['PING']), { code: UNKNOWN, message: /Redis has not answered for 50 ms/ })
  t.equal(line.isUp, false)
})

t.test('a process that was busy reads what has come before it complains', async t => {
  const { line, connection } = open(t, { timeout: 50 })
  const first = await connection(1)
  first.connected.resolve()
  await line.up
  // From an immediate, so that timers come before the next one.
  await new Promise(setImmediate)
  const answer = line.call(['PING'])
  const end = performance.now() + 300
  while (performance.now() < end);
  setImmediate(() => { first.asked[0]!.answer.resolve('PONG') })
  t.equal(await answer, 'PONG')
  await new Promise(setImmediate)
  t.equal(line.isUp, true)
})

t.test('what Redis refuses is not the connection\'s fault', async t => {
  const { line, connection } = open(t)
  const first = await connection(1)
  first.connected.resolve()
  await line.up
  const answer = line.call(['GET', 'a'])
  const error = new Error('WRONGTYPE Operation against a key holding the wrong kind of value')
  first.asked[0]!.answer.reject(error)
  t.equal(await answer.catch(error => error), error)
  t.equal(line.isUp, true)
})

for (const message of ['READONLY You can\'t write against a read only replica.', 'LOADING Redis is loading the dataset in memory', 'BUSY Redis is busy running a script.', 'MOVED 8192 127.0.0.1:7001', 'ASK 8192 127.0.0.1:7001', 'TRYAGAIN Multiple keys request during rehashing of slot', 'CLUSTERDOWN Hash slot not served']) {
  t.test(`“${message}” means that another is to be asked`, async t => {
    const { line, connection } = open(t)
    const first = await connection(1)
    first.connected.resolve()
    await line.up
    const [refused, other] = [line.call(['SET', 'a', '']), line.call(['SET', 'b', ''])]
    first.asked[0]!.answer.reject(new Error(message))
    await t.rejects(refused, { code: UNAVAILABLE })
    await t.rejects(other, { code: UNKNOWN })
    t.equal(line.isUp, false)
  })
}

t.test('a script is sent by its digest, and as a whole where Redis does not have it', async t => {
  const { line, connection } = open(t)
  const first = await connection(1)
  first.connected.resolve()
  await line.up
  const script = new Script(1, 'return 1')
  const answer = line.run(script, 'key', 'argument')
  t.strictSame(first.asked[0]!.args, ['EVALSHA', script.sha, '1', 'key', 'argument'])
  first.asked[0]!.answer.reject(new Error('NOSCRIPT No matching script. Please use EVAL.'))
  await eventually(() => { if (first.asked.length < 2) throw new Error('It is not sent again') })
  t.strictSame(first.asked[1]!.args, ['EVAL', script.text, '1', 'key', 'argument'])
  first.asked[1]!.answer.reject(new Error('ERR something else'))
  await t.rejects(answer, { message: 'ERR something else' })
})

t.test('closed, it is closed for all, and connects no more', async t => {
  const { line, connections: [first], wheel } = open(t)
  const { up } = line
  first!.connected.resolve()
  await up
  const answer = line.call(['PING'])
  line.close()
  await t.rejects(answer, { code: UNKNOWN })
  await t.rejects(line.up, { code: 'SSE_ERR_BROKER_CLOSED' })
  await new Promise(setImmediate)
  t.equal(first!.destroyed, true)
  t.equal(wheel.size, 0)
})

t.test('closed while it waits to connect again, it does not', async t => {
  const errors = new EventEmitter()
  const { line, connections } = open(t, { onError: error => { errors.emit('told', error) } })
  const told = once(errors, 'told')
  connections[0]!.connected.reject(new Error('away'))
  await told
  line.close()
  await t.rejects(line.up, { code: 'SSE_ERR_BROKER_CLOSED' })
  await new Promise(setImmediate)
  t.equal(connections.length, 1)
})
