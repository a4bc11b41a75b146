import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { SSE_ERR_BROKER_CLOSED } from '../../plugin/base/errors.ts'
import type { SseBroker, SseBrokerSubscription } from '../../plugin/channels/broker.ts'
import { injectSse, type InjectedStream } from '../../plugin/testing/index.ts'
import { build, WARN } from '../fixtures/app.ts'
import { detailed } from '../fixtures/detailed.ts'
import { connectionKey, endless } from '../fixtures/open-streams.ts'
import { turns } from '../fixtures/subscriber.ts'
import { UnreliableBroker } from '../fixtures/unreliable-broker.ts'
import { until } from '../fixtures/until.ts'

const CHANNEL = 'sse-closed-keys'
const HISTORY = { history: { count: 1, age: 0, bytes: 1024 } }

/** A broker that several applications of a test share. */
class SharedBroker extends UnreliableBroker {
  readonly shared = true
}

async function process (t: Test, broker: SseBroker = new SharedBroker()) {
  const { app, logs } = await build(t, { broker, connectionKey })
  endless(app)
  const warnings = (): Array<[message: string, streams: unknown, error: string | undefined]> => {
    return logs.filter(({ level }) => level >= WARN).map(line => [line.msg, (line as { streams?: number }).streams, line.err?.message])
  }
  return { app, warnings }
}

async function open (app: FastifyInstance, user?: string): Promise<InjectedStream> {
  return await injectSse(app, { url: '/', headers: user === undefined ? {} : { user } })
}

function keysOf (app: FastifyInstance): Array<string | undefined> {
  return app.sse.list().map(({ key }) => key)
}

const MISSED = 'messages of app.sse.closeKey() may have been missed, so all event streams with a key are closed'
const FAILED = 'the broker failed to pass on messages of app.sse.closeKey()'

t.test('closeKey() ends the streams of a key in every process', async t => {
  const broker = new SharedBroker()
  const [one, other] = [await process(t, broker), await process(t, broker)]
  const closing = [await open(one.app, 'anna'), await open(one.app, 'anna'), await open(other.app, 'anna')]
  await open(one.app, 'ben')
  await open(other.app)
  t.equal(await one.app.sse.closeKey('anna'), undefined)
  for (const { closed } of closing) t.equal(await closed, 'kicked')
  t.strictSame([one, other].map(({ app }) => keysOf(app)), [['ben'], [undefined]])
  t.strictSame(one.app.sse.channels(), [])
})

t.test('a key may be any string', async t => {
  const broker = new SharedBroker()
  const one = await process(t, broker)
  const keys = ['', '__proto__', 'a\n\0"\\', '\ud800', 'ü', 'x'.repeat(100_000)]
  const { app } = await build(t, { broker, connectionKey: ({ query }) => keys[Number((query as { key: string }).key)] })
  endless(app)
  for (const [index, key] of keys.entries()) {
    const { closed } = await injectSse(app, { url: `/?key=${index}` })
    await one.app.sse.closeKey(key)
    t.equal(await closed, 'kicked')
  }
})

t.test('a key that is not a string is rejected', async t => {
  const { app } = await process(t)
  for (const [key, text] of [[undefined, 'undefined'], [5, '5']]) {
    await t.rejects(app.sse.closeKey(key as string), { code: 'SSE_ERR_OPTION', ...detailed(`The key of app.sse.closeKey() must be a string; received ${text}`) })
  }
})

t.test('with a broker of one process, nothing is published', async t => {
  const broker = new UnreliableBroker()
  const { app } = await process(t, broker)
  const { closed } = await open(app, 'anna')
  await app.sse.closeKey('anna')
  t.equal(await closed, 'kicked')
  t.strictSame([broker.attempts, broker.listeners], [0, []])
})

t.test('a process without connectionKey closes the streams of others, and does not subscribe to messages', async t => {
  const broker = new SharedBroker()
  const one = await process(t, broker)
  const { app } = await build(t, { broker })
  t.equal(broker.listeners.length, 1)
  const { closed } = await open(one.app, 'anna')
  await app.sse.closeKey('anna')
  t.equal(await closed, 'kicked')
})

t.test('while the broker fails, closeKey() closes the streams of its own process and rejects', async t => {
  const broker = new SharedBroker()
  const { app } = await process(t, broker)
  const { closed } = await open(app, 'anna')
  broker.error = new Error('unavailable')
  await t.rejects(app.sse.closeKey('anna'), { message: 'unavailable' })
  t.equal(await closed, 'kicked')
})

t.test('the streams of other processes are closed when the broker no longer fails', async t => {
  const broker = new SharedBroker()
  const [one, other] = [await process(t, broker), await process(t, broker)]
  const closing = [await open(other.app, 'anna'), await open(other.app, 'ben')]
  await open(other.app, 'carl')
  broker.error = new Error('unavailable')
  for (const key of ['anna', 'ben', 'anna']) await t.rejects(one.app.sse.closeKey(key), { message: 'unavailable' })
  t.strictSame(keysOf(other.app), ['anna', 'ben', 'carl'])
  broker.error = undefined
  await until(() => other.app.sse.size === 1, 'the streams of two keys are closed')
  for (const { closed } of closing) t.equal(await closed, 'kicked')
  t.strictSame(keysOf(other.app), ['carl'])
  t.strictSame(one.warnings(), [[FAILED, undefined, 'unavailable']])
})

t.test('applications cannot use the channel of the messages', async t => {
  const { app } = await process(t)
  t.throws(() => app.sse.channel(CHANNEL), { code: 'SSE_ERR_CHANNEL' })
  app.get('/subscribe', async (_request, reply) => { await reply.sse().subscribe({ ...app.sse.channel('a'), name: CHANNEL }) })
  t.match((await app.inject('/subscribe')).json(), { code: 'SSE_ERR_CHANNEL' })
})

t.test('after a break, a process reads the messages that it missed, and no others', async t => {
  const broker = new SharedBroker()
  const [one, other] = [await process(t, broker), await process(t, broker)]
  await one.app.sse.closeKey('ben')
  const [anna] = [await open(other.app, 'anna'), await open(other.app, 'ben')]
  broker.isDeaf = true
  await one.app.sse.closeKey('anna')
  t.strictSame(keysOf(other.app), ['anna', 'ben'])
  broker.breakAll()
  t.equal(await anna.closed, 'kicked')
  t.strictSame([keysOf(other.app), other.warnings()], [['ben'], []])
})

t.test('a process that starts while the broker fails reads the messages since then', async t => {
  const broker = new SharedBroker()
  const one = await process(t, broker)
  broker.error = new Error('unavailable')
  const other = await process(t, broker)
  const { closed } = await open(other.app, 'anna')
  await until(() => other.warnings().length > 0, 'the broker has failed')
  broker.isDeaf = true
  broker.error = undefined
  await one.app.sse.closeKey('anna')
  await until(() => other.app.sse.size === 0, 'the stream is closed')
  t.equal(await closed, 'kicked')
  t.strictSame(other.warnings(), [[FAILED, undefined, 'unavailable']])
})

t.test('a history is read to its end', async t => {
  const broker = new SharedBroker()
  const [one, other] = [await process(t, broker), await process(t, broker)]
  const { replay } = broker
  broker.replay = async (channel, after) => await replay.call(broker, channel, after, 1)
  await Promise.all(['anna', 'ben', 'cleo'].map(async user => await open(other.app, user)))
  broker.isDeaf = true
  await one.app.sse.closeKey('ben')
  await one.app.sse.closeKey('anna')
  broker.breakAll()
  await turns(5)
  t.strictSame([keysOf(other.app), other.warnings()], [['cleo'], []])
})

t.test('when messages may have been missed, all streams with a key are closed, if closeKey() was used before', async t => {
  for (const lose of [
    (broker: SharedBroker) => { broker.loseAllBut(0) },
    (broker: SharedBroker) => {
      const { replay } = broker
      broker.replay = async (...args) => ({ ...await replay.call(broker, ...args), lost: 'epoch0.100-0' })
    }
  ]) {
    for (const isUsed of [true, false]) {
      const broker = new SharedBroker()
      const { app, warnings } = await process(t, broker)
      if (isUsed) await app.sse.closeKey('ben')
      const anna = await open(app, 'anna')
      await open(app)
      lose(broker)
      broker.breakAll()
      await turns(5)
      t.strictSame([keysOf(app), warnings()], isUsed ? [[undefined], [[MISSED, 1, undefined]]] : [['anna', undefined], []])
      if (isUsed) t.equal(await anna.closed, 'kicked')
    }
  }
})

t.test('when the broker has a new log, streams are closed once', async t => {
  const broker = new SharedBroker()
  const { app, warnings } = await process(t, broker)
  await app.sse.closeKey('ben')
  broker.loseAllBut(0)
  broker.breakAll()
  await turns(5)
  await open(app, 'anna')
  broker.breakAll()
  await turns(5)
  t.strictSame([keysOf(app), warnings()], [['anna'], [[MISSED, 0, undefined]]])
})

t.test('a process that starts closes streams if the broker lost messages, but not if the limits of the history removed them', async t => {
  for (const damaged of [false, true]) {
    const broker = new SharedBroker()
    const one = await process(t, broker)
    await one.app.sse.closeKey('ben')
    const { replay } = broker
    broker.replay = async (...args) => ({ ...await replay.call(broker, ...args), lost: 'epoch0.1-0', damaged })
    broker.error = new Error('unavailable')
    broker.failures = 1
    const { app, warnings } = await process(t, broker)
    await open(app, 'anna')
    await until(() => warnings().length > 0, 'the broker has failed')
    await new Promise(resolve => { setTimeout(resolve, 100) })
    t.strictSame(keysOf(app), damaged ? [] : ['anna'])
  }
})

t.test('messages of an unknown type and invalid keys are ignored', async t => {
  const broker = new SharedBroker()
  const { app, warnings } = await process(t, broker)
  await open(app, 'anna')
  for (const payload of [{ event: 'closed', data: '{' }, { event: 'closed', data: '["anna"]' }, { event: 'closed' }, { event: 'later', data: '"anna"' }, { comment: 'anna' }]) {
    await broker.publish(CHANNEL, payload, HISTORY)
  }
  t.strictSame([keysOf(app), warnings()], [['anna'], []])
})

t.test('a message or a break that arrives before the broker has confirmed the subscription is not lost', async t => {
  const broker = new SharedBroker()
  const one = await process(t, broker)
  const { subscribe } = broker
  let confirm!: () => void
  broker.subscribe = async (...args): Promise<SseBrokerSubscription> => {
    const subscription = await subscribe.apply(broker, args)
    await new Promise<void>(resolve => { confirm = resolve })
    return subscription
  }
  const { app, warnings } = await process(t, broker)
  const streams = [await open(app, 'anna'), await open(app, 'ben')]
  await one.app.sse.closeKey('anna')
  broker.isDeaf = true
  await one.app.sse.closeKey('ben')
  broker.breakAll()
  confirm()
  for (const { closed } of streams) t.equal(await closed, 'kicked')
  t.strictSame(warnings(), [])
})

t.test('a subscription that the broker rejects is retried until the application closes', async t => {
  const broker = new SharedBroker()
  let attempts = 0
  broker.subscribe = async () => {
    attempts++
    throw new Error('refused')
  }
  const { app, warnings } = await process(t, broker)
  await until(() => attempts > 1, 'it was repeated')
  await app.close()
  const before = attempts
  await new Promise(resolve => { setTimeout(resolve, 250) })
  t.equal(attempts, before)
  t.strictSame(warnings(), [[FAILED, undefined, 'refused']])
})

t.test('a broker that is closed elsewhere is reported once', async t => {
  const broker = new SharedBroker()
  broker.subscribe = async () => { throw new SSE_ERR_BROKER_CLOSED() }
  const { warnings } = await process(t, broker)
  await turns(5)
  t.strictSame(warnings(), [[FAILED, undefined, 'The broker is closed']])
})
