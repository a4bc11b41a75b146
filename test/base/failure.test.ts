import t from 'tap'
import { failureOf, publicCode } from '../../plugin/base/failure.ts'

t.test('of most errors a client learns the code, where it looks like one', async t => {
  const rows: Array<[error: unknown, code: string]> = [
    [Object.assign(new Error('secret'), { code: 'ECONNRESET' }), 'ECONNRESET'],
    [Object.assign(new Error('secret'), { code: 'a secret' }), 'INTERNAL_ERROR'],
    [Object.assign(new Error('secret'), { code: 7 }), 'INTERNAL_ERROR'],
    [new Error('secret'), 'INTERNAL_ERROR'],
    ['secret', 'INTERNAL_ERROR'],
    [undefined, 'INTERNAL_ERROR']
  ]
  for (const [error, code] of rows) {
    t.equal(publicCode(error), code)
    t.strictSame(failureOf(error), {
      code: code === 'INTERNAL_ERROR' ? 'producer_failed' : code, message: 'It failed on the server', retryable: false
    })
  }
})

t.test('an error that is made to be shown is', async t => {
  const shown = (fields: object): Error => Object.assign(new Error('The model is busy'), { expose: true }, fields)
  t.strictSame(failureOf(shown({ code: 'upstream_overloaded', retryable: true })), { code: 'upstream_overloaded', message: 'The model is busy', retryable: true })
  t.strictSame(failureOf(shown({ code: 7, retryable: 'yes' })), { code: 'producer_failed', message: 'The model is busy', retryable: false })
  t.strictSame(failureOf({ expose: true, message: 'x' }).message, 'It failed on the server', 'what is no error is not')
})
