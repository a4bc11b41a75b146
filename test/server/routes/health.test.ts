import t from 'tap'
import { health } from '../../../server/routes/health.ts'
import { build } from '../../fixtures/app.ts'

t.test('/healthz always answers 200, /readyz only while the server is ready and does not close', async t => {
  const { app } = await build(t)
  let [ready, draining] = [false, false]
  app.register(health, { isReady: () => ready, isDraining: () => draining })
  const get = async (url: string): Promise<unknown[]> => {
    const { statusCode, body } = await app.inject(url)
    return [statusCode, JSON.parse(body)]
  }
  t.strictSame(await get('/healthz'), [200, { status: 'ok' }])
  t.match(await get('/readyz'), [503, { code: 'NOT_READY', message: 'This server is not connected to Redis' }])
  ready = true
  t.strictSame(await get('/healthz'), [200, { status: 'ok' }])
  t.strictSame(await get('/readyz'), [200, { status: 'ready' }])
  draining = true
  t.strictSame(await get('/healthz'), [200, { status: 'ok' }])
  t.match(await get('/readyz'), [503, { code: 'DRAINING', message: 'This server is about to close' }])
})

t.test('probes are not logged; a change of readiness is', async t => {
  const { app, logs } = await build(t)
  let [ready, draining] = [true, false]
  app.register(health, { isReady: () => ready, isDraining: () => draining })
  const probe = async (): Promise<void> => {
    for (const url of ['/readyz', '/healthz', '/readyz']) await app.inject(url)
  }
  await probe()
  t.strictSame(logs, [])
  ready = false
  await probe()
  t.match(logs.splice(0).map(({ level, msg }) => [level, msg]), [[40, 'not ready: This server is not connected to Redis']])
  ready = true
  await probe()
  t.strictSame(logs.splice(0).map(({ level, msg }) => [level, msg]), [[30, 'ready again']])
  draining = true
  await probe()
  t.strictSame(logs, [])
})
