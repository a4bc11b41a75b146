import type { FastifyInstance } from 'fastify'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { build, sleep } from '../fixtures/app.ts'
import { browserSuite, visit } from '../fixtures/browser.ts'
import { until } from '../fixtures/until.ts'

interface Setup {
  app: FastifyInstance
  origin: URL
  /** The last event id of each request for a stream. */
  lastEventIds: Array<string | undefined>
}

/** Starts a server with an empty page and three streams that subscribe to one channel. */
async function setup (t: Test): Promise<Setup> {
  const { app, listen } = await build(t, { retry: 100, heartbeat: 150 })
  const lastEventIds: Array<string | undefined> = []
  app.get('/', async (_request, reply) => await reply.type('text/html').send('<!doctype html><link rel="icon" href="data:,"><title>A page</title>'))
  for (const [url, options] of Object.entries({ '/all': {}, '/none': { filter: () => false }, '/plain': { filter: () => false, markers: false } })) {
    app.get(url, async (_request, reply) => {
      const emitter = reply.sse()
      lastEventIds.push(emitter.lastEventId)
      await emitter.subscribe(app.sse.channel('a'), options)
      return emitter
    })
  }
  return { app, lastEventIds, origin: await listen() }
}

/** Opens an EventSource in a page. The result returns the data of the events received so far, and the types of markers. */
async function openEventSource (page: Page, url: string): Promise<() => Promise<string[]>> {
  await page.evaluate(`
    globalThis.received = []
    const source = new EventSource('${url}')
    for (const type of ['message', 'sse-ready', 'sse-gap', 'sse-reset']) {
      source.addEventListener(type, ({ data }) => { received.push(type === 'message' ? data : type) })
    }`)
  return async () => await page.evaluate('received')
}

browserSuite(t, 'an EventSource of a browser on a channel', async (t, browser) => {
  t.test('receives every event, although its connection is closed several times', async t => {
    const { app, origin } = await setup(t)
    await visit(t, browser, origin, async page => {
      const received = await openEventSource(page, '/all')
      const channel = app.sse.channel('a')
      // A stream that is closed before sse-ready has not told its client where it begins.
      const ready = async (times: number): Promise<void> => {
        await until(async () => (await received()).filter(text => text === 'sse-ready').length >= times, `sse-ready has been received ${times} times`)
      }
      await ready(1)
      const published: string[] = []
      for (let count = 1; count <= 30; count++) {
        await channel.publish(String(count))
        published.push(String(count))
        if (count % 10 === 0) app.sse.close()
        if (count % 15 === 0) await ready(count / 15 + 1)
      }
      await until(async () => (await received()).at(-1) === '30', 'the last event has been received')
      const all = await received()
      t.strictSame(all.filter(text => !text.startsWith('sse-')), published)
      t.ok(!all.includes('sse-gap') && !all.includes('sse-reset'))
    })
  })

  for (const url of ['/none', '/plain']) {
    t.test(`reconnects with the id of a heartbeat: ${url}`, async t => {
      const { app, lastEventIds, origin } = await setup(t)
      await visit(t, browser, origin, async page => {
        const received = await openEventSource(page, url)
        const channel = app.sse.channel('a')
        await until(() => channel.subscribers === 1, 'the page has subscribed')
        const { id } = await channel.publish('filtered out')
        // Time for a heartbeat, which contains the id.
        await sleep(500)
        app.sse.close()
        await until(() => lastEventIds.length === 2, 'the page has reconnected')
        t.strictSame(lastEventIds, [undefined, id])
        const expected = url === '/plain' ? [] : ['sse-ready', 'sse-ready']
        await until(async () => channel.subscribers === 1 && (await received()).length >= expected.length, 'the page has subscribed again')
        t.strictSame(await received(), expected)
      })
    })
  }
})
