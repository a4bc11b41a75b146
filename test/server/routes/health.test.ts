import t from 'tap'
import { health } from '../../../server/routes/health.ts'
import { build } from '../../fixtures/app.ts'

t.test('a server is alive, whether or not it can do its work, and ready when it can', async t => {
  const { app } = await build(t)
  let ready = false
  app.register(health, { isReady: () => ready })
  const ask = async (url: string): Promise<unknown[]> => {
    const { statusCode, body } = await app.inject(url)
    return [statusCode, JSON.parse(body)]
  }
  t.strictSame(await ask('/healthz'), [200, { status: 'ok' }])
  t.match(await ask('/readyz'), [503, { code: 'NOT_READY', message: 'This server has no connection to Redis' }])
  ready = true
  t.strictSame(await ask('/healthz'), [200, { status: 'ok' }])
  t.strictSame(await ask('/readyz'), [200, { status: 'ready' }])
})
