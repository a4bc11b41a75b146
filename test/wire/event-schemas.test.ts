import t from 'tap'
import { isSchemas, SchemaCache } from '../../plugin/wire/event-schemas.ts'

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

t.test('schemas are an object', async t => {
  t.equal(isSchemas({}), true)
  for (const value of [undefined, null, [], 'tick', () => {}]) t.equal(isSchemas(value), false)
})
