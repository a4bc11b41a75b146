import { inspect } from 'node:util'
import t from 'tap'
import { SSE_ERR_BROKER_FULL, SSE_ERR_CLOSED, SSE_ERR_EVENT, SSE_ERR_FULL, SSE_ERR_RUN_FORGOTTEN } from '../../plugin/base/errors.ts'
import { failureOf, isInstance, plainErrorOf, publicErrorOf, toError } from '../../plugin/base/failure.ts'
import { hostileErrors } from '../fixtures/hostile-errors.ts'

const INTERNAL = 'An internal error occurred'
const UNAVAILABLE = 'The service is temporarily unavailable; try again later'

t.test('clients learn nothing of an error that does not expose itself, not even its code', async t => {
  for (const code of ['ECONNRESET', 'ER_DUP_ENTRY', 'a secret', 'SSE_ERR_lower', 7, undefined]) {
    const error = Object.assign(new Error('secret'), { code, retryable: true })
    t.strictSame(failureOf(error), { code: 'producer_failed', message: INTERNAL, retryable: false }, String(code))
    t.strictSame(failureOf(error, 'FALLBACK'), { code: 'FALLBACK', message: INTERNAL, retryable: false })
  }
  for (const error of ['secret', undefined, null, { expose: true, code: 'CODE', message: 'secret' }]) {
    t.strictSame(failureOf(error), { code: 'producer_failed', message: INTERNAL, retryable: false })
  }
})

t.test('clients receive the code and the message of an error with the property expose', async t => {
  const exposed = (fields: object): Error => Object.assign(new Error('The model is busy'), { expose: true }, fields)
  t.strictSame(failureOf(exposed({ code: 'upstream_overloaded', retryable: true })), { code: 'upstream_overloaded', message: 'The model is busy', retryable: true })
  t.strictSame(failureOf(exposed({ code: 7, retryable: 'yes' })), { code: 'producer_failed', message: 'The model is busy', retryable: false })
  t.strictSame(failureOf(exposed({ expose: 'yes' })).message, INTERNAL, 'expose must be true')
})

t.test('clients receive the delay of an error that is retryable', async t => {
  const failure = (fields: object): object => failureOf(Object.assign(new Error('Busy'), { expose: true, code: 'busy', ...fields }))
  for (const retryAfter of [0, 1_500.5, 86_400_000]) t.strictSame(failure({ retryable: true, retryAfter }), { code: 'busy', message: 'Busy', retryable: true, retryAfter })
  for (const retryAfter of [undefined, '5', -1, NaN, Infinity]) t.strictSame(failure({ retryable: true, retryAfter }), { code: 'busy', message: 'Busy', retryable: true })
  t.strictSame(failure({ retryable: false, retryAfter: 5 }), { code: 'busy', message: 'Busy', retryable: false })
  t.strictSame(failureOf(Object.assign(new Error('secret'), { retryable: true, retryAfter: 5 })), { code: 'producer_failed', message: INTERNAL, retryable: false })
})

t.test('clients receive the code of an error of this package, and no values', async t => {
  t.strictSame(failureOf(new SSE_ERR_EVENT('received "secret"')), { code: 'SSE_ERR_EVENT', message: INTERNAL, retryable: false })
  t.strictSame(failureOf(new SSE_ERR_CLOSED('slow')), { code: 'SSE_ERR_CLOSED', message: INTERNAL, retryable: false })
  t.strictSame(failureOf(new SSE_ERR_BROKER_FULL('5')), { code: 'SSE_ERR_BROKER_FULL', message: UNAVAILABLE, retryable: true })
  t.strictSame(failureOf(new SSE_ERR_FULL()), { code: 'SSE_ERR_FULL', message: 'Too many event streams are open; try again later', retryable: true }, 'a message without values')
  t.match(failureOf(new SSE_ERR_RUN_FORGOTTEN()), { message: /no longer available/, retryable: false })
})

t.test('an error for a response shows what clients may know, and has the error as its cause', async t => {
  const error = Object.assign(new Error('secret'), { code: 'ENOENT' })
  const shown = publicErrorOf(error)
  t.match(shown, { message: INTERNAL, code: 'INTERNAL_ERROR', cause: error })
  t.equal(publicErrorOf(shown), shown)
  const exposed = new SSE_ERR_FULL()
  t.equal(publicErrorOf(exposed), exposed)
})

t.test('no error can make a check of it throw', async t => {
  for (const [name, error] of hostileErrors()) {
    t.match(failureOf(error), { code: 'producer_failed', message: INTERNAL }, name)
    t.type(isInstance(error, SSE_ERR_CLOSED), 'boolean', name)
    t.type(isInstance(error, Error), 'boolean', name)
    t.ok(isInstance(toError(error), Error), name)
    t.ok(inspect(plainErrorOf(error)), name)
  }
  const { error } = { error: Object.defineProperty(Object.assign(new Error('x'), { expose: true }), 'message', { get () { throw new Error('unreadable') } }) }
  t.match(failureOf(error), { code: 'producer_failed', message: INTERNAL }, 'an exposed error whose message cannot be read')
})

t.test('a value that is not an error is shown by one', async t => {
  const error = new Error('boom')
  t.equal(toError(error), error)
  t.match(toError(undefined), { message: 'Not an error, but undefined' })
  const value = { password: '1234' }
  t.match(toError(value), { message: "Not an error, but { password: '1234' }", cause: value })
  t.match(toError({ [inspect.custom] () { throw new Error('unshowable') } }), { message: 'Not an error, but a value that cannot be shown' })
})

t.test('a plain error has the message, the stack and the code of another', async t => {
  const error = Object.freeze(Object.assign(new Error('boom'), { code: 'CODE' }))
  const plain = plainErrorOf(error)
  t.not(plain, error)
  t.match(plain, { message: 'boom', stack: error.stack!, code: 'CODE' })
  t.notOk('code' in plainErrorOf(new Error('boom')))
  t.match(plainErrorOf(new Proxy(error, { get () { throw new Error('unreadable') } })), { message: 'An error that cannot be read' })
})
