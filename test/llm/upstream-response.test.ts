import { Readable } from 'node:stream'
import t from 'tap'
import { UpstreamResponse } from '../../plugin/llm/upstream-response.ts'

const headers = { 'content-type': 'text/event-stream' }

/** Reads everything that is left. */
async function textOf (response: UpstreamResponse): Promise<string> {
  let text = ''
  for (let chunk = await response.read(1_000); chunk !== undefined; chunk = await response.read(1_000)) text += Buffer.from(chunk)
  return text
}

t.test('a web stream, a Node.js stream, an async iterable and no body are read', async t => {
  const bodies = { web: new Response('Größe').body, node: Readable.from([Buffer.from('Grö'), 'ße']), generator: (async function * () { yield 'Größe' })() }
  for (const [name, body] of Object.entries(bodies)) {
    const response = UpstreamResponse.from({ status: 200, headers: new Headers(headers), body })!
    t.equal(await response.error(), undefined)
    t.equal(await textOf(response), 'Größe', name)
    t.notOk(response.cancelled)
  }
  t.equal(await textOf(UpstreamResponse.from({ status: 200, headers, body: null })!), '')
})

t.test('cancel() ends a pending read and closes the body', async t => {
  const node = new Readable({ read () {} })
  const response = UpstreamResponse.from({ statusCode: 200, headers, body: node })!
  const pending = response.read(1_000)
  response.cancel()
  response.cancel()
  t.equal(await pending, undefined)
  t.equal(await response.read(1_000), undefined)
  t.ok(response.cancelled)
  t.ok(node.destroyed)
})

t.test('a stream that fails before it is read does not end the process', async t => {
  const node = new Readable({ read () {} })
  const response = UpstreamResponse.from({ statusCode: 200, headers, body: node })!
  node.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
  await new Promise(resolve => { node.once('close', resolve) })
  await t.rejects(response.read(1_000), { name: 'ModelError', code: 'upstream_cut', message: /\(ECONNRESET\)$/, cause: { message: 'reset' } })
})

t.test('the cause of an error of fetch names the system error', async t => {
  for (const [error, expected] of [
    [new TypeError('terminated', { cause: Object.assign(new Error('other side closed'), { code: 'UND_ERR_SOCKET' }) }), { code: 'upstream_cut', message: /\(UND_ERR_SOCKET\)$/ }],
    [new TypeError('terminated', { cause: Object.assign(new Error('Body Timeout Error'), { code: 'UND_ERR_BODY_TIMEOUT' }) }), { code: 'idle_timeout' }],
    ['not an error', { code: 'upstream_cut', cause: { message: /not an error/ } }],
    [undefined, { code: 'upstream_cut' }]
  ] as const) {
    const body = { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) }
    await t.rejects(UpstreamResponse.from({ statusCode: 200, headers, body })!.read(1_000), { name: 'ModelError', ...expected })
  }
})
