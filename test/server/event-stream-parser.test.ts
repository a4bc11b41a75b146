import t from 'tap'
import { EventStreamParser } from '../../plugin/wire/event-stream-parser.ts'
import { demo } from '../fixtures/demo.ts'

t.test('the parser is served as a module that imports nothing, to pages of any origin', async t => {
  const { app } = await demo(t)
  const { statusCode, headers, body } = await app.inject({ url: '/event-stream-parser.js', headers: { origin: 'null' } })
  t.equal(statusCode, 200)
  t.match(headers, { 'content-type': 'text/javascript; charset=utf-8', 'access-control-allow-origin': '*' })
  const served: { EventStreamParser: typeof EventStreamParser } = await import(`data:text/javascript,${encodeURIComponent(body)}`)
  t.not(served.EventStreamParser, EventStreamParser, 'another class')
  const stream = Buffer.from('\uFEFF:a\r\nretry:5\r\nother\r\n\r\nid:1\nevent:tick\ndata:b\ndata:c\n\nid\n\n')
  const parse = (Parser: typeof EventStreamParser): unknown[] => Array.from(new Parser({ lastEventId: '0' }).push(stream))
  t.strictSame(parse(served.EventStreamParser), parse(EventStreamParser))
  t.throws(() => Array.from(new served.EventStreamParser({ maxLength: 1 }).push(Buffer.from('data:bc\n\n'))), { name: 'RangeError' })
})
