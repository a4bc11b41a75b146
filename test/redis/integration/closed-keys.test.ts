import t, { type Test } from 'tap'
import { injectSse, type InjectedStream } from '../../../plugin/testing/index.ts'
import { build } from '../../fixtures/app.ts'
import { connectionKey, endless } from '../../fixtures/open-streams.ts'
import { suiteWith } from '../../fixtures/programs.ts'
import { openBroker } from '../../fixtures/redis-broker.ts'
import { RedisServer } from '../../fixtures/redis-server.ts'
import { TcpProxy } from '../../fixtures/tcp-proxy.ts'
import { until } from '../../fixtures/until.ts'

/** Starts an application and opens a stream for each user. */
async function start (t: Test, where: { readonly url: string }, ...users: string[]) {
  const { app } = await build(t, { broker: openBroker(t, where), connectionKey })
  endless(app)
  const streams: InjectedStream[] = []
  for (const user of users) streams.push(await injectSse(app, { url: '/', headers: { user } }))
  return { app, keys: () => app.sse.list().filter(({ state }) => state === 'open').map(({ key }) => key), streams }
}

suiteWith(t, 'redis-server', 'keys that are closed in all applications on one Redis', async (t, program) => {
  t.test('the streams of a key end in every application, also in one that was cut off from Redis meanwhile', async t => {
    const server = await RedisServer.start(t, program)
    const proxy = await TcpProxy.start(t, server)
    const one = await start(t, server, 'anna', 'ben')
    const other = await start(t, proxy, 'anna', 'ben', 'cleo')
    await one.app.sse.closeKey('anna')
    await until(() => other.keys().length === 2, 'the message has arrived')
    t.strictSame([one.keys(), other.keys()], [['ben'], ['ben', 'cleo']])
    proxy.disconnect()
    await one.app.sse.closeKey('ben')
    t.strictSame([one.keys(), other.keys()], [[], ['ben', 'cleo']])
    t.match(await other.app.sse.closeKey('cleo').catch(error => error), { statusCode: 503 })
    t.strictSame(other.keys(), ['ben'], 'streams of its own process end all the same')
    proxy.target = server.port
    await until(() => other.keys().length === 0, 'it has read what it missed')
    for (const { closed } of [...one.streams, ...other.streams]) t.equal(await closed, 'kicked')
  })

  t.test('when Redis has lost its data, all streams with a key end, because messages may be lost, too', async t => {
    const server = await RedisServer.start(t, program)
    const { app, keys } = await start(t, server, 'anna', 'ben')
    await app.sse.closeKey('anna')
    await until(() => keys().length === 1, 'the message has arrived')
    await server.command('FLUSHALL')
    await until(() => keys().length === 0, 'the loss was noticed')
  })
})
