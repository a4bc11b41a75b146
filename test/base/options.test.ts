import t from 'tap'
import { eventType, isBoolean, isEventStream, isFunction, moment, oneOf, streamHeaders, whole } from '../../plugin/base/options.ts'

const refused = (rule: RegExp): { code: string, message: RegExp } => ({ code: 'SSE_ERR_OPTION', message: rule })

t.test('a whole number, from a minimum', async t => {
  const check = whole(10, 'ms', '10 is the least')
  t.equal(check('x', 10), 10)
  for (const value of [9, 10.5, Infinity, NaN, '10', null, 2 ** 60]) t.throws(() => check('x', value), refused(/^Option `x` must be a whole number of ms from 10 \(10 is the least\), got /))
  t.throws(() => whole(1, '')('x', 0), refused(/^Option `x` must be a whole number from 1, got 0 \(number\)$/))
})

t.test('one of some words', async t => {
  t.equal(oneOf('a', 'b')('x', 'b'), 'b')
  t.throws(() => oneOf('a', 'b')('x', 'c'), refused(/must be 'a' or 'b', got 'c'/))
})

t.test('a function, true or false, the type of an event', async t => {
  t.equal(isFunction('x', nothing), nothing)
  t.throws(() => isFunction('x', 'f'), refused(/must be a function/))
  t.equal(isBoolean('x', false), false)
  t.throws(() => isBoolean('x', 0), refused(/must be true or false/))
  t.equal(eventType('x', 'ping'), 'ping')
  t.throws(() => eventType('x', ''), refused(/must be the type of an event/))
  t.throws(() => eventType('x', 'a\nb'), { code: 'SSE_ERR_EVENT' })
})

t.test('a moment is milliseconds, or a Date', async t => {
  t.equal(moment('x', 5), 5)
  t.equal(moment('x', new Date(5)), 5)
  for (const value of [new Date(NaN), NaN, Infinity, '5', undefined]) t.throws(() => moment('x', value), refused(/must be a Date or milliseconds since 1970/))
})

t.test('headers are compared without regard to case, and may say the content type with parameters', async t => {
  t.strictSame(streamHeaders('x', { 'Content-Type': 'Text/Event-Stream', 'X-A': ['1', '2'], 'x-b': 3, 'x-c': undefined }),
    { 'content-type': 'Text/Event-Stream', 'x-a': ['1', '2'], 'x-b': 3 })
  for (const type of ['text/event-stream', 'text/event-stream;charset=utf-8', 'text/event-stream ; x=y']) t.ok(isEventStream(type), type)
  for (const type of ['text/event-streams', 'text/plain', '', undefined, 5]) t.notOk(isEventStream(type), String(type))
})

t.test('headers that frame the message are refused', async t => {
  for (const name of ['Content-Length', 'connection', 'Keep-Alive', 'transfer-encoding', 'upgrade', 'proxy-connection']) {
    t.throws(() => streamHeaders('x', { [name]: '1' }), refused(/must be left to the server/))
  }
  t.throws(() => streamHeaders('x', 'a: b'), refused(/must be an object/))
})

function nothing (): void {}
