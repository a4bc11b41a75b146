import { readFileSync } from 'node:fs'
import t from 'tap'
import * as failures from '../../plugin/runs/failures.ts'

const DOCS = readFileSync(new URL('../../docs/runs.md', import.meta.url), 'utf8')

t.test('docs/runs.md lists the code of each failure', async t => {
  const [, table] = DOCS.match(/^\| `code` of `failed` \|.*\n((?:\|.*\n)+)/m)!
  const codes = Array.from(table!.matchAll(/`([a-z_]+)`/g), ([, code]) => code)
  for (const { code } of Object.values(failures)) t.ok(codes.includes(code), code)
})

t.test('codes are unique', async t => {
  const codes = Object.values(failures).map(({ code }) => code)
  t.equal(new Set(codes).size, codes.length)
})
