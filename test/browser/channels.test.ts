import type { FastifyInstance } from 'fastify'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { build } from '../fixtures/app.ts'
import { browserSuite, visit } from '../fixtures/browser.ts'
import { until } from '../fixtures/until.ts'

interface Scene { app: FastifyInstance, origin: URL, /** The ids with which streams were asked for. */ asked: Array<string | undefined> }

/** A page, and streams that follow a channel: all of it, or what is wanted, with events of ours or without. */
async function serve (t: Test): Promise<Scene> {
  const { app, listen } = await build(t, { retry: 100, heartbeat: 150 })
  const asked: Array<string | undefined> = []
  app.get('/', async (_request, reply) => await reply.type('text/html').send('<!doctype html><link rel="icon" href="data:,"><title>A page</title>'))
  for (const [url, options] of Object.entries({ '/all': {}, '/none': { filter: () => false }, '/plain': { filter: () => false, markers: false } })) {
    app.get(url, async (_request, reply) => {
      const emitter = reply.sse()
      asked.push(emitter.lastEventId)
      await emitter.subscribe(app.sse.channel('a'), options)
      return emitter
    })
  }
  return { app, asked, origin: await listen() }
}

/** Has a page follow; `got` is what it was given. */
async function follow (page: Page, url: string): Promise<{ got: () => Promise<string[]> }> {
  await page.evaluate(`
    globalThis.got = []
    const source = new EventSource('${url}')
    for (const type of ['message', 'sse-ready', 'sse-gap', 'sse-reset']) {
      source.addEventListener(type, ({ data }) => { got.push(type === 'message' ? data : type) })
    }`)
  return { got: async () => await page.evaluate('got') }
}

browserSuite(t, 'a browser that follows a channel', async (t, browser) => {
  t.test('misses nothing, however often it is cut off', async t => {
    const { app, origin } = await serve(t)
    await visit(t, browser, origin, async page => {
      const { got } = await follow(page, '/all')
      const channel = app.sse.channel('a')
      // A stream that is ended before it has begun tells its client nothing, not even where it would have begun.
      const begun = async (times: number): Promise<void> => {
        await until(async () => (await got()).filter(text => text === 'sse-ready').length >= times, `it follows for the ${times}. time`)
      }
      await begun(1)
      const published: string[] = []
      for (let count = 1; count <= 30; count++) {
        await channel.publish(String(count))
        published.push(String(count))
        if (count % 10 === 0) app.sse.close()
        if (count % 15 === 0) await begun(count / 15 + 1)
      }
      await until(async () => (await got()).at(-1) === '30', 'all has come')
      const all = await got()
      t.strictSame(all.filter(text => !text.startsWith('sse-')), published)
      t.ok(!all.includes('sse-gap') && !all.includes('sse-reset'))
    })
  })

  for (const url of ['/none', '/plain']) {
    t.test(`comes back from where a heartbeat has put it: ${url}`, async t => {
      const { app, asked, origin } = await serve(t)
      await visit(t, browser, origin, async page => {
        const { got } = await follow(page, url)
        const channel = app.sse.channel('a')
        await until(() => channel.subscribers === 1, 'it follows')
        const { id } = await channel.publish('not wanted')
        // The heartbeat that tells it.
        await new Promise(resolve => { setTimeout(resolve, 500) })
        app.sse.close()
        await until(() => asked.length === 2, 'it is back')
        t.strictSame(asked, [undefined, id])
        const told = url === '/plain' ? [] : ['sse-ready', 'sse-ready']
        await until(async () => channel.subscribers === 1 && (await got()).length >= told.length, 'it follows again')
        t.strictSame(await got(), told)
      })
    })
  }
})
