import t from 'tap'
import { integer } from '../../plugin/base/option-checks.ts'
import { optionNamed, resolveOptions } from '../../plugin/base/options.ts'
import { detailed } from '../fixtures/detailed.ts'

t.test('an invalid option throws SSE_ERR_OPTION, a TypeError', async t => {
  const error = t.throws(() => resolveOptions('a test', { a: -1 }, { a: 1 }, { a: integer(0) }), {
    code: 'SSE_ERR_OPTION', statusCode: 500, ...detailed('Option `a` must be a non-negative integer; received -1')
  })
  t.ok(error instanceof TypeError)
})

t.test('an option that is not passed to a function is rejected with the same error', async t => {
  t.throws(() => optionNamed('schema.sse').invalid('must be an object', 'received 5'), { code: 'SSE_ERR_OPTION', message: 'Option `schema.sse` must be an object' })
})
