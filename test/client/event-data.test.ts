import t from 'tap'
import { z } from 'zod'
import { readData } from '../../plugin/client/event-data.ts'
import type { SseStandardSchema } from '../../plugin/client/standard-schema.ts'

/** A schema without a library that takes a while. */
const evenLater: SseStandardSchema<{ even: number }> = {
  '~standard': {
    validate: async value => {
      await new Promise(resolve => { setImmediate(resolve) })
      return typeof value === 'number' && value % 2 === 0 ? { value: { even: value } } : { issues: [{ message: 'not a number' }, { message: 'not even' }] }
    }
  }
}

t.test('data is text unless it is parsed or has a schema', async t => {
  const schemas = { tick: z.object({ at: z.iso.date().transform(text => new Date(text)) }) }
  const read = (type: string, text: string, parse?: (text: string) => unknown) => readData(type, text, { parse, schemas })
  t.equal(await read('other', '{}'), '{}')
  t.equal(await read('toString', '{}'), '{}')
  t.strictSame(await read('tick', '{"at":"1970-01-01"}'), { at: new Date(0) }, 'a schema parses JSON and may convert it')
  t.strictSame(await read('other', '{"a":1}', JSON.parse), { a: 1 })
  t.strictSame(await read('tick', '', () => ({ at: '1970-01-01' })), { at: new Date(0) })
  t.equal(await readData('tick', 'a', { parse: async text => `${text}b`, schemas: undefined }), 'ab')
})

t.test('a schema may be asynchronous, and need not belong to a library', async t => {
  const settings = { parse: undefined, schemas: { even: evenLater } }
  t.strictSame(await readData('even', '2', settings), { even: 2 })
  await t.rejects(readData('even', '"2"', settings), {
    code: 'SSE_CLIENT_ERR_DATA', message: 'The data of an event of type "even" is invalid: not a number; not even', issues: [{ message: 'not a number' }, { message: 'not even' }], cause: undefined
  })
})

t.test('data that cannot be parsed or validated is rejected with the reason', async t => {
  const broken: SseStandardSchema = { '~standard': { validate: () => { throw new Error('broken schema') } } }
  const settings = { parse: undefined, schemas: { tick: z.object({ price: z.number() }), broken } }
  await t.rejects(readData('tick', '{"price":"high"}', settings), { code: 'SSE_CLIENT_ERR_DATA', issues: [{ path: ['price'] }] })
  await t.rejects(readData('tick', '{', settings), { code: 'SSE_CLIENT_ERR_DATA', message: /^The data of an event of type "tick" is invalid: .*JSON/, cause: SyntaxError, issues: undefined })
  await t.rejects(readData('broken', '1', settings), { code: 'SSE_CLIENT_ERR_DATA', cause: { message: 'broken schema' } })
})
