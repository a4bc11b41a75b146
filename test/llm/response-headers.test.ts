import t from 'tap'
import { headerValue, isCompressed, retryAfter } from '../../plugin/llm/response-headers.ts'

t.test('the delay before a retry is read from milliseconds, seconds or a date', t => {
  t.equal(retryAfter({ 'retry-after-ms': '1500', 'retry-after': '9' }), 1_500)
  t.equal(retryAfter({ 'retry-after-ms': '12.5' }), 12.5)
  t.equal(retryAfter({ 'retry-after': '9' }), 9_000)
  t.equal(retryAfter({ 'retry-after-ms': 'soon', 'retry-after': '0' }), 0)
  const untilDate = retryAfter({ 'retry-after': new Date(Date.now() + 60_000).toUTCString() })!
  t.ok(untilDate > 0 && untilDate <= 60_000, `${untilDate}`)
  t.equal(retryAfter({ 'retry-after': new Date(Date.now() - 60_000).toUTCString() }), 0, 'a date in the past')
  for (const invalid of ['', 'soon', '-1', 'Infinity', 'Wed, GMT', '9'.repeat(400)]) t.equal(retryAfter({ 'retry-after': invalid }), undefined, invalid)
  t.equal(retryAfter({ 'retry-after': 'Thu, 01 Jan 2026 15:00:30 GMT', date: 'Thu, 01 Jan 2026 15:00:00 GMT' }), 30_000, 'relative to the Date header')
  t.equal(retryAfter({}), undefined)
  t.end()
})

t.test('the first value of a repeated header is used', t => {
  t.equal(headerValue({ a: ['1', '2'], b: '3' }, 'a'), '1')
  t.equal(headerValue({ a: ['1', '2'], b: '3' }, 'b'), '3')
  t.equal(headerValue({}, 'a'), undefined)
  t.end()
})

t.test('a body is compressed unless Content-Encoding is missing, or a value that servers send by mistake', t => {
  for (const encoding of [undefined, '', ' ', 'identity', 'Identity', 'none', 'utf-8', 'UTF8', 'chunked', 'identity, none', ['none', 'gzip']]) t.notOk(isCompressed({ 'content-encoding': encoding }), String(encoding))
  for (const encoding of ['gzip', 'identity, gzip', 'br', 'nonesuch', 'x']) t.ok(isCompressed({ 'content-encoding': encoding }), encoding)
  t.end()
})
