import t from 'tap'
import { header, retryAfterOf } from '../../plugin/llm/headers.ts'

t.test('how long to wait is said in many ways', t => {
  t.equal(retryAfterOf({ 'retry-after-ms': '1500', 'retry-after': '9' }), 1_500)
  t.equal(retryAfterOf({ 'retry-after-ms': '12.5' }), 12.5)
  t.equal(retryAfterOf({ 'retry-after': '9' }), 9_000)
  t.equal(retryAfterOf({ 'retry-after-ms': 'soon', 'retry-after': '0' }), 0)
  const date = retryAfterOf({ 'retry-after': new Date(Date.now() + 60_000).toUTCString() })!
  t.ok(date > 0 && date <= 60_000, `${date}`)
  t.equal(retryAfterOf({ 'retry-after': new Date(Date.now() - 60_000).toUTCString() }), 0, 'even in the past')
  for (const odd of ['', 'soon', '-1', 'Infinity', 'Wed, GMT', '9'.repeat(400)]) t.equal(retryAfterOf({ 'retry-after': odd }), undefined, odd)
  t.equal(retryAfterOf({}), undefined)
  t.end()
})

t.test('of a header that comes twice, the first counts', t => {
  t.equal(header({ a: ['1', '2'], b: '3' }, 'a'), '1')
  t.equal(header({ a: ['1', '2'], b: '3' }, 'b'), '3')
  t.equal(header({}, 'a'), undefined)
  t.end()
})
