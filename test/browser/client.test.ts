import type { Page } from 'playwright-core'
import t from 'tap'
import { build } from '../fixtures/app.ts'
import { browserSuite, visit } from '../fixtures/browser.ts'
import { serveClient as serve } from '../fixtures/client-page.ts'
import { until } from '../fixtures/until.ts'

/** Connects in a page and records every callback as a line. `includes` resolves when the log has the line, or has it several times. */
async function connectIn (page: Page, url: string, options = ''): Promise<{ log: () => Promise<string[]>, includes: (line: string, times?: number) => Promise<void> }> {
  await page.evaluate(`(async () => {
    const { connect } = await import('/sse/client/index.js')
    globalThis.log = []
    globalThis.connection = connect('${url}', {
      retry: { initial: 50, jitter: 0 },
      onReady: () => { log.push('ready') },
      onGap: gaps => { log.push('gap in ' + gaps[0].channel) },
      onReset: () => { log.push('reset') },
      onEvent: ({ type, data }) => { log.push(type + ' ' + data) },
      onError: ({ code, status }, { willRetry }) => { log.push(code + (status ? ' ' + status : '') + (willRetry ? '' : ', final')) },
      onState: state => { log.push('is ' + state) },
      ${options}
    })
  })()`)
  const log = async (): Promise<string[]> => await page.evaluate('log')
  const includes = async (line: string, times = 1): Promise<void> => {
    await until(async () => (await log()).filter(text => text === line).length >= times, `the log has the line “${line}”`)
  }
  return { log, includes }
}

browserSuite(t, 'the client in a browser', async (t, browser) => {
  t.test('reconnects after a status at which an EventSource gives up', async t => {
    const { app, listen } = await serve(t)
    const lastEventIds: Array<string | undefined> = []
    app.get('/stream', async (_request, reply) => {
      const emitter = reply.sse()
      lastEventIds.push(emitter.lastEventId)
      if (lastEventIds.length === 2) return await reply.code(503).header('retry-after', '0').send('busy')
      if (lastEventIds.length === 3) reply.code(204)
      emitter.send('größer 😀', { event: 'tick', id: 'é' })
      emitter.complete()
      return emitter
    })
    await visit(t, browser, await listen(), async page => {
      const { log, includes } = await connectIn(page, '/stream')
      await includes('is closed')
      t.strictSame(await log(), [
        'is open', 'tick größer 😀', 'is waiting', 'SSE_CLIENT_ERR_ENDED', 'is connecting', 'is waiting', 'SSE_CLIENT_ERR_STATUS 503', 'is connecting', 'is closed'
      ])
      t.strictSame(lastEventIds, [undefined, 'é', 'é'])
    }, { expected: /503/ })
  })

  t.test('receives missed events after a reconnect, and a gap if the history is too short', async t => {
    const { app, listen } = await serve(t)
    const channel = app.sse.channel('a', { history: { count: 3 } })
    app.get('/stream', async (_request, reply) => {
      const emitter = reply.sse({ retry: 50 })
      await emitter.subscribe(channel)
      return emitter
    })
    await visit(t, browser, await listen(), async page => {
      const { log, includes } = await connectIn(page, '/stream')
      await includes('ready')
      await channel.publish('1')
      await includes('message 1')
      app.sse.close()
      await channel.publish('2')
      await includes('message 2')
      app.sse.close()
      await Promise.all(['3', '4', '5', '6', '7'].map(text => channel.publish(text)))
      await includes('message 7')
      t.strictSame((await log()).filter(line => !/^is |SSE_CLIENT_ERR_SERVER/.test(line)), ['ready', 'message 1', 'ready', 'message 2', 'gap in a', 'message 5', 'message 6', 'message 7'])
    })
  })

  t.test('reconnects if the server is silent for too long', async t => {
    const { app, listen } = await serve(t, { heartbeat: 0 })
    app.get('/stream', async (_request, reply) => {
      const emitter = reply.sse()
      if (emitter.lastEventId === '1') reply.code(204)
      emitter.send('a', { id: '1' })
      return emitter
    })
    await visit(t, browser, await listen(), async page => {
      const { log, includes } = await connectIn(page, '/stream', 'heartbeatTimeout: 1_000')
      await includes('is closed')
      t.ok((await log()).includes('message a'))
      t.ok((await log()).includes('SSE_CLIENT_ERR_TIMEOUT'))
    })
  })

  t.test('reconnects at once when the browser is online again', async t => {
    const { app, listen } = await serve(t)
    app.get('/stream', async (_request, reply) => {
      const emitter = reply.sse()
      await emitter.send('a')
      return emitter
    })
    await visit(t, browser, await listen(), async page => {
      const { includes } = await connectIn(page, '/stream', 'retry: { initial: 600_000, max: 600_000 }')
      await includes('message a')
      await page.context().setOffline(true)
      app.sse.close()
      await includes('is waiting')
      await page.context().setOffline(false)
      await includes('message a', 2)
    })
  })

  t.test('can be iterated over, and disconnects when the loop ends', async t => {
    const { app, listen } = await serve(t)
    const reasons: string[] = []
    app.get('/stream', async (_request, reply) => {
      const emitter = reply.sse()
      emitter.onCompletion(reason => { reasons.push(reason) })
      await emitter.sendAll(['a', 'b', 'c'])
      return emitter
    })
    await visit(t, browser, await listen(), async page => {
      const seen = await page.evaluate(`(async () => {
        const { connect } = await import('/sse/client/index.js')
        const seen = []
        for await (const { data } of connect('/stream')) {
          seen.push(data)
          if (data === 'b') break
        }
        return seen
      })()`)
      t.strictSame(seen, ['a', 'b'])
      await until(() => reasons.length === 1, 'the server has closed the stream')
      t.strictSame(reasons, ['client'])
    })
  })

  t.test('does not repeat a POST request', async t => {
    const { app, listen } = await serve(t)
    const bodies: unknown[] = []
    app.post('/stream', async (request, reply) => {
      bodies.push(request.body)
      const emitter = reply.sse()
      emitter.send('a')
      emitter.complete()
      return emitter
    })
    await visit(t, browser, await listen(), async page => {
      const { log, includes } = await connectIn(page, '/stream', "method: 'POST', body: '{\"text\":\"hi\"}', headers: { 'content-type': 'application/json' }")
      await includes('is closed')
      t.strictSame(await log(), ['is open', 'message a', 'is closed', 'SSE_CLIENT_ERR_ENDED, final'])
      t.strictSame(bodies, [{ text: 'hi' }])
    })
  })

  t.test('connects to another origin without a preflight request', async t => {
    const { listen } = await serve(t)
    const other = await build(t)
    const lastEventIds: Array<[parameter: string | undefined, header: unknown]> = []
    let preflights = 0
    other.app.options('/stream', async (_request, reply) => { preflights++; return await reply.code(403).send() })
    other.app.get<{ Querystring: { lastEventId?: string } }>('/stream', async ({ query, headers }, reply) => {
      lastEventIds.push([query.lastEventId, headers['last-event-id']])
      reply.header('access-control-allow-origin', '*')
      if (lastEventIds.length === 2) reply.code(204)
      const emitter = reply.sse({ retry: 50 })
      emitter.send('a', { id: '1' })
      emitter.complete()
      return emitter
    })
    const url = new URL('/stream', await other.listen())
    await visit(t, browser, await listen(), async page => {
      const { includes } = await connectIn(page, url.href)
      await includes('is closed')
      t.strictSame(lastEventIds, [[undefined, undefined], ['1', undefined]])
      t.equal(preflights, 0)
      const byHeader = await connectIn(page, url.href, "lastEventId: '1', lastEventIdParameter: null, retry: { attempts: 0 }")
      await byHeader.includes('SSE_CLIENT_ERR_NETWORK, final')
      t.equal(preflights, 1)
    }, { expected: /CORS|net::ERR_FAILED/ })
  })

  t.test('works in a worker', async t => {
    const { app, listen } = await serve(t)
    app.get('/worker.js', async (_request, reply) => await reply.type('text/javascript').send(`
      import { connect } from '/sse/client/index.js'
      connect('/stream', { onEvent: ({ data }) => { postMessage(data) } })`))
    app.get('/stream', async (_request, reply) => {
      const emitter = reply.sse()
      await emitter.send('a')
      return emitter
    })
    await visit(t, browser, await listen(), async page => {
      t.equal(await page.evaluate("new Promise(resolve => { new Worker('/worker.js', { type: 'module' }).onmessage = ({ data }) => resolve(data) })"), 'a')
    })
  })

  t.test('reports an error thrown by a callback to the page', async t => {
    const { app, listen } = await serve(t)
    app.get('/stream', async (_request, reply) => {
      const emitter = reply.sse()
      await emitter.sendAll(['a', 'b'])
      return emitter
    })
    await visit(t, browser, await listen(), async page => {
      const thrown = page.waitForEvent('pageerror')
      const { includes } = await connectIn(page, '/stream', "onEvent: ({ data }) => { if (data === 'a') throw new Error('by the page'); log.push(data) }")
      t.equal((await thrown).message, 'by the page')
      await includes('b')
    }, { expected: /by the page/ })
  })
})
