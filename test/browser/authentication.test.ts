import type {} from '@fastify/jwt'
import t, { type Test } from 'tap'
import { browserSuite, FAILED_REQUEST, visit } from '../fixtures/browser.ts'
import { serveClient } from '../fixtures/client-page.ts'
import { blocksOf, runBlock, toScript } from '../fixtures/doc-blocks.ts'
import { until } from '../fixtures/until.ts'

const DOCUMENT = 'docs/authentication.md'

/** Runs the routes of the document, and one that gives a token. */
async function serve (t: Test, expiresIn: string) {
  const { app, listen } = await serveClient(t)
  t.intercept(process, 'env', { value: { ...process.env, JWT_SECRET: 'a secret' } })
  await runBlock(blocksOf(DOCUMENT, 'Tokens')[0]!.replace(/^await app\.register\(sse.*$/m, ''), { app })
  await runBlock(blocksOf(DOCUMENT, 'Tickets')[0]!, { app })
  const tokens: string[] = []
  app.post('/token', async () => {
    tokens.push(app.jwt.sign({}, { expiresIn }))
    return tokens.at(-1)
  })
  return { app, listen, tokens }
}

browserSuite(t, 'the page code of the documentation on authentication', async (t, browser) => {
  t.test('a page misses nothing when its token expires', async t => {
    const { app, listen, tokens } = await serve(t, '3s')
    await visit(t, browser, await listen(), async page => {
      await page.evaluate(`(async () => {
        const load = () => import('/sse/client/index.js')
        const console = { log: (...texts) => { document.body.append(texts.join(' '), '|') } }
        ${toScript(blocksOf(DOCUMENT, 'Tokens')[1]!)}
      })()`)
      await until(() => app.sse.size === 1, 'the page is connected')
      const expected: string[] = []
      while (tokens.length < 2) {
        expected.push(`message ${expected.length}`)
        await app.sse.channel('prices').publish(`${expected.length - 1}`)
        await new Promise(resolve => { setTimeout(resolve, 50) })
      }
      const received = async (): Promise<string[]> => (await page.locator('body').innerText()).split('|').slice(0, -1)
      await until(async () => (await received()).at(-1) === expected.at(-1), 'the page has received everything')
      const texts = await received()
      t.strictSame(texts.filter(text => text !== 'the token has expired, and is renewed'), expected)
      t.equal(texts.length, expected.length + 1)
    })
  })

  t.test('a page without a token signs in, then requests a ticket for each connection and misses nothing', async t => {
    const { app, listen } = await serve(t, '1h')
    const [page] = blocksOf(DOCUMENT, 'Tickets', 'html')
    const html = (body: string): string => `<!doctype html><link rel="icon" href="data:,"><title>A page</title><body>${body}</body>`
    app.get('/page', async (_request, reply) => await reply.type('text/html').send(html(page!)))
    app.get('/sign-in', async (_request, reply) => await reply.type('text/html').send(html(`<script>
      fetch('/token', { method: 'POST' }).then(response => response.text()).then(token => {
        sessionStorage.setItem('token', token)
        location.assign('/page')
      })
    </script>`)))
    const news = app.sse.channel('news')
    await visit(t, browser, new URL('/page', await listen()), async page => {
      await until(() => app.sse.channels().length === 1, 'the page has signed in and is connected')
      await news.publish('one')
      await page.getByText('one').waitFor()
      app.sse.close()
      await news.publish('two')
      await page.getByText('one two').waitFor()
    }, { expected: FAILED_REQUEST })
  })
})
