import { once } from 'node:events'
import { runInNewContext } from 'node:vm'
import { EventSource, type FetchLike } from 'eventsource'
import t, { type Test } from 'tap'
import { build, type TestApp } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'
import { blocksOf, runBlock } from '../fixtures/doc-blocks.ts'
import { until } from '../fixtures/until.ts'

/** Runs the server's part of a recipe. */
async function serve (t: Test, heading: string, scope: Record<string, unknown> = {}, options: Parameters<typeof build>[1] = {}): Promise<TestApp & { url: URL }> {
  const testApp = await build(t, { retry: 10, ...options })
  const [code] = blocksOf('docs/recipes.md', heading)
  await runBlock(code!, { app: testApp.app, ...scope })
  return { ...testApp, url: await testApp.listen() }
}

/** Runs the page's part of a recipe. @returns the values of expressions in the page */
function openPage (t: Test, heading: string, base: URL, fetch?: FetchLike): (expression: string) => unknown {
  const [page] = blocksOf('docs/recipes.md', heading, 'html')
  const [, code] = /<script>([^]*)<\/script>/.exec(page!)!
  const PageSource = class extends EventSource {
    constructor (path: string) {
      super(new URL(path, base), fetch && { fetch })
      t.teardown(() => this.close())
    }
  }
  return runInNewContext(`${code}\n;expression => eval(expression)`, { EventSource: PageSource, Date }) as (expression: string) => unknown
}

const put = async (url: URL, id: string, body: object): Promise<void> => {
  const { status } = await call(new URL(`/orders/${id}`, url), { method: 'PUT', headers: { 'content-type': 'application/json' } }, JSON.stringify(body)).readAll()
  t.equal(status, 200)
}

t.test('a client that starts while orders change receives each state, and again after a reset', async t => {
  const table = new Map<string, object>([['1', { id: '1', count: 0 }]])
  let snapshots = 0
  let changeDuringSnapshot = async (): Promise<void> => {}
  const database = {
    orders: async () => {
      snapshots++
      const orders = [...table.values()]
      await changeDuringSnapshot()
      return orders
    },
    save: async (order: { id: string }) => { table.set(order.id, order) }
  }
  const { app, url } = await serve(t, 'A snapshot, then every change', { database })
  changeDuringSnapshot = async () => {
    changeDuringSnapshot = async () => {}
    await put(url, '2', { count: 2 })
  }
  const evaluate = openPage(t, 'A snapshot, then every change', url)
  const shows = async (expected: object): Promise<void> => {
    await until(() => JSON.stringify(evaluate('[...table]')) === JSON.stringify(expected), `the page shows ${JSON.stringify(expected)}`)
  }
  await shows([['1', { id: '1', count: 0 }], ['2', { count: 2, id: '2' }]])
  await put(url, '1', { count: 3 })
  await shows([['1', { count: 3, id: '1' }], ['2', { count: 2, id: '2' }]])

  app.sse.close()
  await until(() => app.sse.size === 1, 'the page has reconnected')
  await put(url, '2', { count: 4 })
  await shows([['1', { count: 3, id: '1' }], ['2', { count: 4, id: '2' }]])
  t.equal(snapshots, 1)
})

t.test('a client whose history was lost receives a new snapshot', async t => {
  const database = { orders: async () => [{ id: '1', count: 1 }], save: async () => {} }
  const { url } = await serve(t, 'A snapshot, then every change', { database })
  let connections = 0
  // An id of a process that no longer exists.
  const evaluate = openPage(t, 'A snapshot, then every change', url, async (input, init) => {
    const headers = ++connections === 1 ? { 'last-event-id': 'another.1-0' } : {}
    return await fetch(input, { ...init, headers: { ...init.headers, ...headers } })
  })
  await until(() => evaluate('table.size') === 1, 'the page shows the snapshot')
  t.equal(connections, 2)
})

t.test('a new client receives the last value of each key, then every further one', async t => {
  const { app, url } = await serve(t, 'The last value of each key')
  const prices = app.sse.channel('prices')
  for (let price = 1; price <= 1_200; price++) await prices.publish({ price }, { event: 'tick', key: price % 2 === 0 ? 'even' : 'odd' })
  const source = new EventSource(new URL('/prices', url))
  t.teardown(() => source.close())
  const received: number[] = []
  source.addEventListener('tick', ({ data }) => { received.push(JSON.parse(data).price) })
  await once(source, 'sse-ready')
  t.strictSame(received.slice(0, 2), [1_199, 1_200])
  await prices.publish({ price: 0 }, { event: 'tick', key: 'even' })
  await until(() => received.length === 3, 'the new price arrives')
  t.strictSame(received, [1_199, 1_200, 0])
})

t.test('a page shows the users of all processes, and forgets those of a process that is silent', async t => {
  const { app, url } = await serve(t, 'Who is online', {}, { connectionKey: ({ headers }) => headers['x-user'] as string | undefined })
  const as = (user: string): FetchLike => async (input, init) => await fetch(input, { ...init, headers: { ...init.headers, 'x-user': user } })
  const evaluate = openPage(t, 'Who is online', url, as('anna'))
  const online = (): string[] => [...evaluate('online()') as Set<string>].sort()
  const shows = async (...users: string[]): Promise<void> => await until(() => online().join() === users.join(), `${users} are online`)
  await shows('anna')
  const ben = new EventSource(new URL('/presence', url), { fetch: as('ben') })
  t.teardown(() => ben.close())
  await shows('anna', 'ben')
  await app.sse.channel('presence').publish({ node: 'another', users: ['carl'] }, { event: 'users', key: 'another' })
  await shows('anna', 'ben', 'carl')
  ben.close()
  await shows('anna', 'carl')
  evaluate('nodes.get("another").at -= 25_000')
  t.strictSame(online(), ['anna'])
})

t.test('one route answers with JSON or with a stream', async t => {
  const { app, url } = await serve(t, 'JSON or a stream, by Accept', { database: { orders: async () => [{ id: '1' }] } })
  await app.sse.channel('orders').publish({ id: '2' })
  for (const accept of ['application/json', '*/*', 'application/json, text/event-stream;q=0.5', undefined]) {
    const { headers, body } = await call(new URL('/orders', url), { headers: accept === undefined ? {} : { accept } }).readAll()
    t.match(headers, { 'content-type': /^application\/json/, vary: 'accept' })
    t.strictSame(JSON.parse(body), [{ id: '1' }])
  }
  t.equal((await call(new URL('/orders', url), { headers: { accept: 'image/png' } }).readAll()).status, 406)
  for (const accept of ['text/event-stream', 'application/json;q=0.5, text/event-stream']) {
    const { request, response } = call(new URL('/orders', url), { headers: { accept } })
    const message = await response
    t.match(message.headers, { 'content-type': /^text\/event-stream/, vary: 'accept' })
    let text = ''
    message.setEncoding('utf8').on('data', chunk => { text += chunk }).on('error', () => {})
    await until(() => decode(text).events.some(({ data }) => data === '{"id":"2"}'), 'the event arrives')
    request.destroy()
  }
})
