import t from 'tap'
import { z } from 'zod'
import { areStandardSchemas } from '../../plugin/client/standard-schema.ts'

t.test('schemas of any library that implements Standard Schema are accepted', async t => {
  const callable = Object.assign(() => {}, { '~standard': { validate: () => ({ value: 1 }) } })
  t.equal(areStandardSchemas({ tick: z.object({}), halt: callable }), true)
  t.equal(areStandardSchemas({}), true)
  for (const value of [undefined, null, 'tick', 5, { tick: z.string(), halt: {} }, { tick: null }, { tick: { '~standard': null } }, [z.string, {}]]) t.equal(areStandardSchemas(value), false)
})
