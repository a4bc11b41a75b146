import t, { type Test } from 'tap'
import {
  abortSignal, anyFunction, boolean, describe, integer, mustBe, nonEmptyString, oneOf, optionsResolver, string, type Check, type Checks
} from '../../plugin/base/option-checks.ts'

const resolveOptions = optionsResolver((message, detail) => { throw new RangeError(detail === undefined ? message : `${message}; ${detail}`) })

/** Checks the value of the option `x`. */
function check (x: unknown, rule: Check): unknown {
  return resolveOptions<{ x: unknown }>('a test', { x }, { x: undefined }, { x: rule }).x
}

function throws (t: Test, x: unknown, rule: Check, message: string): void {
  t.throws(() => check(x, rule), new RangeError(message))
}

t.test('an integer has a range, a unit and a meaning of 0', async t => {
  t.equal(check(0, integer(0)), 0)
  throws(t, -1, integer(0, 'milliseconds', 'disables it'), 'Option `x` must be a non-negative integer of milliseconds (0 disables it); received -1')
  throws(t, 0, integer(1), 'Option `x` must be a positive integer; received 0')
  throws(t, 5, integer(10, 'bytes'), 'Option `x` must be an integer of at least 10 bytes; received 5')
  throws(t, 11, integer(1, 'bytes', '', 10), 'Option `x` must be an integer from 1 to 10 bytes; received 11')
  t.equal(check(10, integer(1, 'bytes', '', 10)), 10)
  for (const value of [1.5, NaN, Infinity, 2 ** 60, '1', null, {}]) t.throws(() => check(value, integer(0)), { message: /must be a non-negative integer; received/ })
})

t.test('each check accepts the values that its message names', async t => {
  const { signal } = new AbortController()
  const rows: Array<[Check, unknown, unknown, string]> = [
    [oneOf('a', 'b'), 'b', 'c', '\'a\' or \'b\''],
    [anyFunction, check, 'f', 'a function'],
    [boolean, false, 0, 'true or false'],
    [string, '', 5, 'a string'],
    [nonEmptyString, 'a', '', 'a non-empty string'],
    [abortSignal, signal, {}, 'an AbortSignal'],
    [mustBe('five', value => value === 5), 5, 6, 'five']
  ]
  for (const [rule, valid, invalid, text] of rows) {
    t.equal(check(valid, rule), valid, text)
    throws(t, invalid, rule, `Option \`x\` must be ${text}; received ${describe(invalid)}`)
  }
})

t.test('messages contain values, but not the contents of objects', async t => {
  const rows = [
    ['a "b"', '"a \\"b\\""'], ['x'.repeat(81), `"${'x'.repeat(80)}…"`], [5n, '5'], [undefined, 'undefined'], [null, 'null'], [Symbol('s'), 'Symbol(s)'],
    [check, 'a function'], [{ password: 'secret' }, 'an object'], [['secret'], 'an array'],
    [Promise.resolve('secret'), 'a promise']
  ] as const
  for (const [value, text] of rows) t.equal(describe(value), text)
})

interface Settings { readonly a: number, readonly b: { readonly c: boolean } }

const DEFAULTS: Settings = { a: 1, b: { c: false } }
const CHECKS: Checks<Settings> = { a: integer(0), b: (value, option) => option.resolve(value, DEFAULTS.b, { c: boolean }) }
const resolve = (options: unknown): Settings => resolveOptions('a test', options, DEFAULTS, CHECKS)

t.test('options override the defaults', async t => {
  t.equal(resolve(undefined), DEFAULTS)
  t.strictSame(resolve({}), DEFAULTS)
  t.strictSame(resolve({ a: undefined, b: { c: true } }), { a: 1, b: { c: true } })
  t.ok(Object.isFrozen(resolve({})))
  class Options { a = 2 }
  t.strictSame(resolve(new Options()), { ...DEFAULTS, a: 2 })
  t.strictSame(resolve(Object.create({ a: 3 })), { ...DEFAULTS, a: 3 }, 'inherited options count')
})

t.test('an unknown option throws, even if it is inherited or named like a property of Object.prototype', async t => {
  for (const options of [{ z: 1 }, { z: undefined }, Object.create({ z: 1 })]) {
    t.throws(() => resolve(options), new RangeError('Unknown option `z`; expected one of a, b'))
  }
  for (const name of ['constructor', 'toString', 'hasOwnProperty']) t.throws(() => resolve({ [name]: 1 }), { message: `Unknown option \`${name}\`; expected one of a, b` })
  t.throws(() => resolve(JSON.parse('{ "__proto__": 1 }')), { message: 'Unknown option `__proto__`; expected one of a, b' })
  t.throws(() => resolve({ b: { d: 1 } }), new RangeError('Unknown option `b.d`; expected one of c'))
})

t.test('options that are not an object throw', async t => {
  for (const options of [null, 5, 'a', true, [], check, Promise.resolve({ a: 2 })]) {
    t.throws(() => resolve(options), new RangeError(`The options of a test must be an object; received ${describe(options)}`))
  }
  for (const b of [null, 5, [], Promise.resolve({})]) t.throws(() => resolve({ b }), new RangeError(`Option \`b\` must be an object of options; received ${describe(b)}`))
  t.throws(() => resolve({ b: { c: 1 } }), new RangeError('Option `b.c` must be true or false; received 1'))
})

t.test('the message about an entry of an option contains its key', async t => {
  const headers: Check = (value, option) => {
    for (const [name, header] of Object.entries(value as object)) string(header, option.entry(name))
    return value
  }
  t.strictSame(check({ a: 'b' }, headers), { a: 'b' })
  throws(t, { a: 'b', c: 5 }, headers, 'Option `x.c` must be a string; received 5')
})
