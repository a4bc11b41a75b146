import t from 'tap'
import { build } from './fixtures/app.ts'

t.test('closing an application without streams does not wait', async t => {
  const { app, listen } = await build(t)
  await listen()
  const start = Date.now()
  await app.close()
  t.ok(Date.now() - start < 400)
})
