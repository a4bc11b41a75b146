import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { hasReceivedEnd, lastEventIdOf } from '../../plugin/reply/last-event-id.ts'

const request = (url: string, header?: string | string[]): FastifyRequest => ({ raw: { url, headers: { 'last-event-id': header } } }) as unknown as FastifyRequest

t.test('the last event id is read from the header, then from the query parameter', async t => {
  const rows: Array<[string, string | undefined, string | undefined]> = [
    ['/', undefined, undefined],
    ['/', '', undefined],
    ['/', '7', '7'],
    ['/?lastEventId=8', undefined, '8'],
    ['/?lastEventId=8', '7', '7'],
    ['/?lastEventId=8', '', '8'],
    ['/?lastEventId=', undefined, undefined],
    ['/?a=1&lastEventId=%C3%A9', undefined, 'é'],
    ['/?since=9', undefined, undefined]
  ]
  for (const [url, header, expected] of rows) t.equal(lastEventIdOf(request(url, header), 'lastEventId'), expected, `${url} ${header}`)
  t.equal(lastEventIdOf(request('/?since=9'), 'since'), '9')
})

t.test('the header is decoded as UTF-8', async t => {
  t.equal(lastEventIdOf(request('/', Buffer.from('é你').toString('latin1')), 'lastEventId'), 'é你')
})

t.test('a client with the id `sse-end` has received the end of its stream', async t => {
  const rows: Array<[string, string | undefined, boolean]> = [
    ['/', 'sse-end', true],
    ['/?lastEventId=sse-end', undefined, true],
    ['/?lastEventId=sse-end', '7', false],
    ['/?since=sse-end', undefined, false],
    ['/sse-end', undefined, false],
    ['/', 'sse-end2', false],
    ['/', undefined, false]
  ]
  for (const [url, header, expected] of rows) t.equal(hasReceivedEnd(request(url, header), 'lastEventId'), expected, `${url} ${header}`)
})
