import t from 'tap'
import { integer } from '../../plugin/base/option-checks.ts'
import { resolveOptions } from '../../plugin/base/options.ts'
import { detailed } from '../fixtures/detailed.ts'

t.test('an invalid option throws SSE_ERR_OPTION, a TypeError', async t => {
  const error = t.throws(() => resolveOptions('a test', { a: -1 }, { a: 1 }, { a: integer(0) }), {
    code: 'SSE_ERR_OPTION', statusCode: 500, ...detailed('Option `a` must be a non-negative integer; received -1')
  })
  t.ok(error instanceof TypeError)
})
