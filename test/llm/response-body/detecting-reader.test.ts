import t from 'tap'
import { detectingReader, type BodyFormat } from '../../../plugin/llm/response-body/detecting-reader.ts'

/** The format, what the selected reader received, and how often it was ended. */
function detect (body: string, chunkSize = Infinity): [format: BodyFormat | undefined, received: string, ends: number] {
  let [format, ends]: [BodyFormat | undefined, number] = [undefined, 0]
  const chunks: Uint8Array[] = []
  const reader = detectingReader(detected => {
    format = detected
    return { feed: chunk => { chunks.push(chunk) }, end: () => { ends++ } }
  })
  const bytes = Buffer.from(body)
  for (let start = 0; start < bytes.length; start += chunkSize) reader.feed(bytes.subarray(start, start + chunkSize))
  reader.end()
  return [format, Buffer.concat(chunks).toString(), ends]
}

t.test('the format is detected by the first bytes, wherever the body is split', async t => {
  const expected: Array<[body: string, format: BodyFormat]> = [
    ['data: {"x":1}\n\n', 'event-stream'], ['data:x', 'event-stream'], ['data', 'event-stream'], ['event: x', 'event-stream'], ['id:1', 'event-stream'], ['id\n', 'event-stream'],
    ['retry: 1', 'event-stream'], ['error: {}', 'event-stream'], [': comment', 'event-stream'], [':', 'event-stream'],
    ['{"x":1}', 'json-line'], ['{ "x":1}', 'json-line'], ['{', 'json-line'], [`{${' '.repeat(30)}\n`, 'json-line'], ['{}', 'json-line'],
    ['{\n  "x":1}', 'json'], ['{\r\n"x":1}', 'json'], ['{ \t\n"x":1}', 'json'], ['[{"x":1}]', 'json'],
    ['<html>', 'markup'], ['hello', 'other'], ['database: x', 'other'], ['dat', 'other'], ['identity', 'other'], ['é', 'other']
  ]
  for (const [body, format] of expected) {
    for (const start of ['', '\uFEFF', '\n\r\n \t', '\uFEFF\n'.repeat(20)]) {
      for (const chunkSize of [1, 2, 3, 7, Infinity]) t.strictSame(detect(start + body, chunkSize), [format, body, 1], `${JSON.stringify(start + body)} by ${chunkSize}`)
    }
  }
})

t.test('no reader is selected for an empty body', async t => {
  for (const body of ['', '\n\n', '\uFEFF']) t.strictSame(detect(body, 1), [undefined, '', 0])
})
