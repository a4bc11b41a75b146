import t from 'tap'
import { JsonScanner } from '../../../plugin/llm/protocols/json-scanner.ts'

/** Whether the text is complete after each of its fragments. */
function progress (...fragments: string[]): boolean[] {
  const scanner = new JsonScanner()
  return fragments.map(fragment => {
    scanner.feed(fragment)
    return scanner.isComplete
  })
}

t.test('an object or an array is complete when it is closed', t => {
  t.strictSame(progress('', '{', '"x":[1,', '{}', ']', '}', ' '), [false, false, false, false, false, true, true])
  t.strictSame(progress('[', ']'), [false, true])
  t.strictSame(progress('{}', '{', '}'), [true, false, true], 'what follows begins again')
  t.end()
})

t.test('brackets and quotation marks in strings close nothing', t => {
  t.strictSame(progress('{"a', '}', '\\', '"', '}', '"', '}'), [false, false, false, false, false, false, true])
  t.strictSame(progress('{"\\\\"', '}'), [false, true], 'an escaped backslash')
  t.end()
})

t.test('text without a bracket is never complete', t => {
  t.strictSame(progress('5', '"{}"'), [false, false])
  t.end()
})
