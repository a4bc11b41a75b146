import t from 'tap'
import { build } from './fixtures/app.ts'

t.test('closing an application without streams does not wait', async t => {
  const { app, listen } = await build(t, { shutdownGrace: 60_000 })
  await listen()
  const start = performance.now()
  await app.close()
  t.ok(performance.now() - start < 30_000)
})
