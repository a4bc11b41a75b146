import t from 'tap'
import { parseObject } from '../../../plugin/llm/protocols/protocol.ts'

t.test('anything but a JSON object is a malformed chunk', t => {
  t.strictSame(parseObject('{"a":1}'), { a: 1 })
  for (const invalid of ['', '{', 'null', '5', '"text"', 'NaN']) t.throws(() => parseObject(invalid), { code: 'bad_chunk' }, invalid)
  t.end()
})
