import fs, { writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'

const HOOKS: string = new URL('../../server/strip-types-hooks.js', import.meta.url).href

interface Loaded { format: string, source: string | Buffer, shortCircuit: boolean }

t.test('types are replaced by blanks, and an edited file is never served from the cache', async t => {
  const { load } = await import(HOOKS) as { load: (url: string, context: object, next: () => unknown) => Promise<Loaded> }
  const file = join(t.testdir({}), 'module.ts')
  const unique = String(Math.random())
  for (const version of ['first', 'second', 'first']) {
    writeFileSync(file, `export const version: string = '${version} ${unique}'`)
    const { format, source } = await load(pathToFileURL(file).href, {}, () => t.fail('a TypeScript file is passed on'))
    t.equal(format, 'module')
    t.equal(String(source), `export const version         = '${version} ${unique}'`)
  }
  t.equal(await load('file:///module.js', {}, () => 'next'), 'next', 'other files are left to the next loader')
  t.equal(await load('node:fs', {}, () => 'next'), 'next')
})

t.test('a module is loaded even if its output cannot be cached', async t => {
  const { load } = await import(HOOKS) as { load: (url: string, context: object, next: () => unknown) => Promise<Loaded> }
  const file = join(t.testdir({}), 'module.ts')
  writeFileSync(file, `export const value: number = ${Math.random().toFixed(12)}`)
  t.teardown(syncBuiltinESMExports)
  const writes = t.intercept(fs, 'writeFileSync', { value: () => { throw new Error('EROFS: read-only file system') } })
  syncBuiltinESMExports()
  const { source } = await load(pathToFileURL(file).href, {}, () => t.fail('a TypeScript file is passed on'))
  t.match(String(source), /^export const value {9}= 0\./)
  t.equal(writes().length, 1, 'it was about to be cached')
})
