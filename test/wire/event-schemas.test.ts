import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { optionNamed } from '../../plugin/base/options.ts'
import { SchemaCache, schemas as check } from '../../plugin/wire/event-schemas.ts'

t.test('schemas are compiled once for each owner', async t => {
  const cache = new SchemaCache()
  const compiled: unknown[] = []
  const compile = (schema: unknown) => {
    compiled.push(schema)
    return (data: unknown) => `${schema} ${data}`
  }
  const [route, otherRoute] = [{}, {}]
  const schemas = { tick: 'A', halt: 'B' }
  const serializers = cache.get(route, schemas, compile)
  t.equal(cache.get(route, schemas, compile), serializers)
  t.strictSame(compiled, ['A', 'B'])
  t.equal(serializers.get('halt')!(1), 'B 1')
  t.not(cache.get(otherRoute, schemas, compile), serializers, 'another route may have another compiler')
  t.not(cache.get(route, { ...schemas }, compile), serializers)
})

t.test('schemas that are no longer used are not kept', async t => {
  setFlagsFromString('--expose-gc')
  const gc: () => void = runInNewContext('gc')
  const cache = new SchemaCache()
  const owner = {}
  const use = (): WeakRef<object> => {
    const schemas = { tick: {} }
    cache.get(owner, schemas, () => String)
    return new WeakRef(schemas)
  }
  const unused = use()
  // An object is not collected in the turn in which its reference was created.
  await new Promise(resolve => { setImmediate(resolve) })
  gc()
  t.equal(unused.deref(), undefined)
})

t.test('an invalid schema is reported with the type of its event', async t => {
  const cause = new Error('unknown keyword')
  const compile = (): never => { throw cause }
  const error = t.throws(() => new SchemaCache().get({}, { tick: {} }, compile), { code: 'SSE_ERR_OPTION', message: 'The schema of the event `tick` cannot be compiled', detail: 'unknown keyword' })
  t.equal((error as Error).cause, cause)
})

t.test('schemas are an object of event types and schemas', async t => {
  const checked = (value: unknown) => check(value, optionNamed('schema'))
  const schemas = { tick: {}, message: () => {} }
  t.equal(checked(schemas), schemas)
  for (const value of [null, [], 'tick', 5, () => {}]) t.throws(() => checked(value), { code: 'SSE_ERR_OPTION', message: 'Option `schema` must be an object of event types and schemas' })
  for (const schema of [undefined, null, true, 'string']) t.throws(() => checked({ tick: schema }), { code: 'SSE_ERR_OPTION', message: 'Option `schema.tick` must be a schema' })
  for (const type of ['', 'a\nb', 'sse-ready']) {
    t.throws(() => checked({ [type]: {} }), { code: 'SSE_ERR_OPTION', message: 'Option `schema` must have valid event types as its keys; events without a type are `message`' })
  }
})
