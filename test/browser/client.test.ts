import { readFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import ts from 'typescript'
import type { SsePluginOptions } from 'fastify-sse-emitter'
import { build } from '../fixtures/app.ts'
import { browserSuite, visit } from '../fixtures/browser.ts'
import { until } from '../fixtures/until.ts'

const SOURCE = new URL('../../plugin/', import.meta.url)

/** Serves a page and the client, compiled as the package has it. */
async function serve (t: Test, options: SsePluginOptions = {}): Promise<{ app: FastifyInstance, listen: () => Promise<URL> }> {
  const { app, listen } = await build(t, options)
  app.get('/', async (_request, reply) => await reply.type('text/html').send('<!doctype html><link rel="icon" href="data:,"><title>A page</title>'))
  app.get<{ Params: { '*': string } }>('/sse/*', async ({ params: { '*': path } }, reply) => {
    const { outputText } = ts.transpileModule(readFileSync(new URL(path.replace(/\.js$/, '.ts'), SOURCE), 'utf8'), {
      compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, rewriteRelativeImportExtensions: true, verbatimModuleSyntax: true }
    })
    return await reply.type('text/javascript').send(outputText)
  })
  return { app, listen }
}

/** Has a page connect; `got` is what it was told. */
async function follow (page: Page, url: string, options = ''): Promise<{ got: () => Promise<string[]>, told: (line: string, times?: number) => Promise<void> }> {
  await page.evaluate(`(async () => {
    const { connect } = await import('/sse/client/index.js')
    globalThis.got = []
    globalThis.connection = connect('${url}', {
      retry: { initial: 50, jitter: 0 },
      onReady: () => { got.push('ready') },
      onGap: gaps => { got.push('gap in ' + gaps[0].channel) },
      onReset: () => { got.push('reset') },
      onEvent: ({ type, data }) => { got.push(type + ' ' + data) },
      onError: ({ code, status }, { willRetry }) => { got.push(code + (status ? ' ' + status : '') + (willRetry ? '' : ', for good')) },
      onState: state => { got.push('is ' + state) },
      ${options}
    })
  })()`)
  const got = async (): Promise<string[]> => await page.evaluate('got')
  const told = async (line: string, times = 1): Promise<void> => {
    await until(async () => (await got()).filter(text => text === line).length >= times, `it is told: ${line}`)
  }
  return { got, told }
}

browserSuite(t, 'the client in a browser', async (t, browser) => {
  t.test('comes back after a status that would end an EventSource', async t => {
    const { app, listen } = await serve(t)
    const asked: Array<string | undefined> = []
    app.get('/stream', async (_request, reply) => {
      const emitter = reply.sse()
      asked.push(emitter.lastEventId)
      if (asked.length === 2) return await reply.code(503).header('retry-after', '0').send('busy')
      if (asked.length === 3) reply.code(204)
      emitter.send('größer 😀', { event: 'tick', id: 'é' })
      emitter.complete()
      return emitter
    })
    await visit(t, browser, await listen(), async page => {
      const { got, told } = await follow(page, '/stream')
      await told('is closed')
      t.strictSame(await got(), [
        'is open', 'tick größer 😀', 'is waiting', 'SSE_CLIENT_ERR_ENDED', 'is connecting', 'is waiting', 'SSE_CLIENT_ERR_STATUS 503', 'is connecting', 'is closed'
      ])
      t.strictSame(asked, [undefined, 'é', 'é'])
    }, { expected: /503/ })
  })

  t.test('misses nothing, and is told where it had to', async t => {
    const { app, listen } = await serve(t)
    const channel = app.sse.channel('a', { history: { count: 3 } })
    app.get('/stream', async (_request, reply) => {
      const emitter = reply.sse({ retry: 50 })
      await emitter.subscribe(channel)
      return emitter
    })
    await visit(t, browser, await listen(), async page => {
      const { got, told } = await follow(page, '/stream')
      await told('ready')
      await channel.publish('1')
      await told('message 1')
      app.sse.close()
      await channel.publish('2')
      await told('message 2')
      app.sse.close()
      await Promise.all(['3', '4', '5', '6', '7'].map(text => channel.publish(text)))
      await told('message 7')
      t.strictSame((await got()).filter(line => !/^is |ENDED/.test(line)), ['ready', 'message 1', 'ready', 'message 2', 'gap in a', 'message 5', 'message 6', 'message 7'])
    })
  })

  t.test('notices a connection that has died', async t => {
    const { app, listen } = await serve(t, { heartbeat: 0 })
    app.get('/stream', async (_request, reply) => {
      const emitter = reply.sse()
      if (emitter.lastEventId === '1') reply.code(204)
      emitter.send('a', { id: '1' })
      return emitter
    })
    await visit(t, browser, await listen(), async page => {
      const { got, told } = await follow(page, '/stream', 'heartbeatTimeout: 1_000')
      await told('is closed')
      t.ok((await got()).includes('message a'))
      t.ok((await got()).includes('SSE_CLIENT_ERR_TIMEOUT'))
    })
  })

  t.test('does not wait any longer when there is a network again', async t => {
    const { app, listen } = await serve(t)
    app.get('/stream', async (_request, reply) => {
      const emitter = reply.sse()
      await emitter.send('a')
      return emitter
    })
    await visit(t, browser, await listen(), async page => {
      const { told } = await follow(page, '/stream', 'retry: { initial: 600_000, max: 600_000 }')
      await told('message a')
      await page.context().setOffline(true)
      app.sse.close()
      await told('is waiting')
      await page.context().setOffline(false)
      await told('message a', 2)
    })
  })

  t.test('can be iterated over, until the loop is left', async t => {
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
      await until(() => reasons.length === 1, 'the server has noticed')
      t.strictSame(reasons, ['client'])
    })
  })

  t.test('posts once', async t => {
    const { app, listen } = await serve(t)
    const asked: unknown[] = []
    app.post('/stream', async (request, reply) => {
      asked.push(request.body)
      const emitter = reply.sse()
      emitter.send('a')
      emitter.complete()
      return emitter
    })
    await visit(t, browser, await listen(), async page => {
      const { told, got } = await follow(page, '/stream', "method: 'POST', body: '{\"text\":\"hi\"}', headers: { 'content-type': 'application/json' }")
      await told('is closed')
      t.strictSame(await got(), ['is open', 'message a', 'is closed', 'SSE_CLIENT_ERR_ENDED, for good'])
      t.strictSame(asked, [{ text: 'hi' }])
    })
  })

  t.test('asks another origin without a preflight', async t => {
    const { listen } = await serve(t)
    const other = await build(t)
    const asked: Array<[parameter: string | undefined, header: unknown]> = []
    let preflights = 0
    other.app.options('/stream', async (_request, reply) => { preflights++; return await reply.code(403).send() })
    other.app.get<{ Querystring: { lastEventId?: string } }>('/stream', async ({ query, headers }, reply) => {
      asked.push([query.lastEventId, headers['last-event-id']])
      reply.header('access-control-allow-origin', '*')
      if (asked.length === 2) reply.code(204)
      const emitter = reply.sse({ retry: 50 })
      emitter.send('a', { id: '1' })
      emitter.complete()
      return emitter
    })
    const url = new URL('/stream', await other.listen())
    await visit(t, browser, await listen(), async page => {
      const { told } = await follow(page, url.href)
      await told('is closed')
      t.strictSame(asked, [[undefined, undefined], ['1', undefined]])
      t.equal(preflights, 0)
      const byHeader = await follow(page, url.href, "lastEventId: '1', lastEventIdParameter: null, retry: { attempts: 0 }")
      await byHeader.told('SSE_CLIENT_ERR_NETWORK, for good')
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

  t.test('shows what a callback throws', async t => {
    const { app, listen } = await serve(t)
    app.get('/stream', async (_request, reply) => {
      const emitter = reply.sse()
      await emitter.sendAll(['a', 'b'])
      return emitter
    })
    await visit(t, browser, await listen(), async page => {
      const thrown = page.waitForEvent('pageerror')
      const { told } = await follow(page, '/stream', "onEvent: ({ data }) => { if (data === 'a') throw new Error('by the page'); got.push(data) }")
      t.equal((await thrown).message, 'by the page')
      await told('b')
    }, { expected: /by the page/ })
  })
})
