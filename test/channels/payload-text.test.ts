import t from 'tap'
import { parsePayload, stringifyPayload } from '../../plugin/channels/payload-text.ts'

t.test('a payload is read exactly as it was written, even if it contains half a surrogate pair', async t => {
  const none = { data: undefined, event: undefined, retry: undefined, comment: undefined, key: undefined }
  for (const payload of [{ data: 'x' }, { data: '', event: '', retry: 0, comment: '', key: '' }, { data: '\uD800', comment: '\0\n\u2028' }, { retry: 1 }]) {
    t.strictSame(parsePayload(stringifyPayload(payload)), { ...none, ...payload })
  }
})

t.test('equal payloads have the same text, whatever the order of their fields', async t => {
  t.equal(stringifyPayload({ data: 'x', event: 'a' }), stringifyPayload({ event: 'a', data: 'x', key: undefined }))
  t.not(stringifyPayload({ data: 'x', event: 'a' }), stringifyPayload({ data: 'a', event: 'x' }))
})

t.test('text that is no payload has no fields', async t => {
  for (const text of ['', 'x', '5', 'null', '{"data":"x"}', '["x"']) {
    t.strictSame(parsePayload(text), { data: undefined, event: undefined, retry: undefined, comment: undefined, key: undefined }, text)
  }
})
