import t from 'tap'
import { acceptsEventStream } from '../../plugin/reply/accept.ts'

const ROWS: Array<[accept: string | undefined, accepted: boolean]> = [
  [undefined, true],
  ['', true],
  [' ', true],
  ['text/event-stream', true],
  ['Text/Event-Stream', true],
  ['text/event-stream;charset=utf-8', true],
  ['text/*', true],
  ['*/*', true],
  ['*/*;q=0.1', true],
  // A browser's address bar.
  ['text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8', true],
  ['application/json, text/event-stream', true],
  ['application/json', false],
  ['application/json, text/plain', false],
  ['text/event-stream;q=0', false],
  ['text/event-stream; Q=0.000', false],
  // The most specific range decides, wherever it stands.
  ['*/*, text/event-stream;q=0', false],
  ['text/event-stream;q=0, */*', false],
  ['text/*;q=0, */*;q=1', false],
  ['*/*;q=0, text/event-stream', true],
  ['text/*;q=0, text/event-stream;q=0.1', true],
  // What is no number says nothing.
  ['text/event-stream;q=high', true],
  [',,', false],
  ['text/event-streams', false]
]

t.test('an Accept header admits event streams or does not', async t => {
  for (const [accept, accepted] of ROWS) t.equal(acceptsEventStream(accept), accepted, String(accept))
})
