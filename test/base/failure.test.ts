import t from 'tap'
import { failureOf, publicCode } from '../../plugin/base/failure.ts'

t.test('clients receive the code of an error, and nothing else', async t => {
  const rows: Array<[error: unknown, code: string | undefined]> = [
    [Object.assign(new Error('secret'), { code: 'ECONNRESET' }), 'ECONNRESET'],
    [Object.assign(new Error('secret'), { code: 'a secret' }), undefined],
    [Object.assign(new Error('secret'), { code: `A${'B'.repeat(64)}` }), undefined],
    [Object.assign(new Error('secret'), { code: 7 }), undefined],
    [new Error('secret'), undefined],
    ['secret', undefined],
    [undefined, undefined],
    [null, undefined]
  ]
  for (const [error, code] of rows) {
    t.equal(publicCode(error), code ?? 'INTERNAL_ERROR')
    t.equal(publicCode(error, 'FALLBACK'), code ?? 'FALLBACK')
    t.strictSame(failureOf(error), { code: code ?? 'producer_failed', message: 'An internal error occurred', retryable: false })
  }
})

t.test('clients receive the message of an error with the property expose', async t => {
  const exposed = (fields: object): Error => Object.assign(new Error('The model is busy'), { expose: true }, fields)
  t.strictSame(failureOf(exposed({ code: 'upstream_overloaded', retryable: true })), { code: 'upstream_overloaded', message: 'The model is busy', retryable: true })
  t.strictSame(failureOf(exposed({ code: 7, retryable: 'yes' })), { code: 'producer_failed', message: 'The model is busy', retryable: false })
  t.strictSame(failureOf(exposed({ expose: 'yes' })).message, 'An internal error occurred', 'expose must be true')
  t.strictSame(failureOf({ expose: true, message: 'x' }).message, 'An internal error occurred', 'an object that is not an Error')
})
