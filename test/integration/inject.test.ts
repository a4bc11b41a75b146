import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'

t.test('under node:test, an injected stream ends at its deadline, and without one does not keep the process alive', async t => {
  const { status, stdout } = spawnSync(process.execPath, [...process.execArgv, fileURLToPath(new URL('../fixtures/injected-main.ts', import.meta.url))], { encoding: 'utf8', timeout: 30_000 })
  t.equal(status, 0, stdout)
  t.match(stdout, /pass 2/)
})
