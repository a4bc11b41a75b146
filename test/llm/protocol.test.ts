import t from 'tap'
import { parseObject } from '../../plugin/llm/protocol.ts'

t.test('JSON is an object, or it is not understood', t => {
  t.strictSame(parseObject('{"a":1}'), { a: 1 })
  for (const odd of ['', '{', 'null', '5', '"text"', 'NaN']) t.throws(() => parseObject(odd), { code: 'bad_chunk' }, odd)
  t.end()
})
