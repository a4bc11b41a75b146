import t from 'tap'
import { epochOf } from '../../plugin/event-id.ts'
import { parseEntry, stringifyPayload } from '../../plugin/redis/log.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { brokerOn, Ear, insist, publish, RedisServer } from '../fixtures/redis.ts'

const NEVER = 600_000
const UNAVAILABLE = { code: 'SSE_ERR_BROKER_UNAVAILABLE', statusCode: 503 }

t.test('an entry is read as it was written, to the last half of a character', async t => {
  for (const payload of [{ data: 'x' }, { data: '', event: '', retry: 0, comment: '', key: '' }, { data: '\uD800', comment: '\0\n\u2028' }, { retry: 1 }]) {
    const entry = parseEntry('e.1-0', stringifyPayload(payload))
    t.strictSame({ ...entry }, { data: undefined, event: undefined, retry: undefined, comment: undefined, key: undefined, id: 'e.1-0', ...payload })
  }
})

suiteWith(t, 'redis-server', 'a log that Redis does not let us have', async (t, program) => {
  t.test('a log that cannot begin, because Redis is full, is not there; and begins when there is room', async t => {
    const server = await RedisServer.start(t, program)
    const broker = brokerOn(t, server, { probe: NEVER })
    const ear = await Ear.on(broker, 'a')
    await publish(broker, 'a', 'before')
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    await server.command('FLUSHALL')
    await t.rejects(publish(broker, 'a', 'x'), UNAVAILABLE)
    const reading = broker.replay('a', undefined, 10)
    await server.command('CONFIG', 'SET', 'maxmemory', '0')
    t.strictSame((await reading).entries, [])
    await insist(broker, 'a', 'after')
    await ear.broken()
    await ear.hears('before', 'after')
  })

  t.test('who reads is the first to see that it is another', async t => {
    const server = await RedisServer.start(t, program)
    const broker = brokerOn(t, server, { probe: NEVER })
    const ear = await Ear.on(broker, 'a')
    const { id } = await publish(broker, 'a', 'before')
    await server.command('FLUSHALL')
    const { known, entries, clock } = await broker.replay('a', id, 10)
    t.strictSame([known, entries], [false, []])
    await ear.broken()
    t.equal(epochOf(ear.subscription.position), epochOf(clock))
  })

  t.test('what is no history is not read', async t => {
    const server = await RedisServer.start(t, program)
    const broker = brokerOn(t, server)
    await publish(broker, 'a', 'x')
    await server.command('SET', 'sse:{0}:history:a', 'something else')
    await t.rejects(broker.replay('a', undefined, 10), { ...UNAVAILABLE, message: /WRONGTYPE/, cause: { message: /WRONGTYPE/ } })
    await t.rejects(publish(broker, 'a', 'x'), { ...UNAVAILABLE, message: /WRONGTYPE/ })
    await publish(broker, 'b', 'others are not concerned')
  })
})
