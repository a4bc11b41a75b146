import type { FastifyInstance } from 'fastify'
import type { Page, Route } from 'playwright-core'
import t, { type Test } from 'tap'
import { buildApp } from '../../server/app.ts'
import { readConfig } from '../../server/config.ts'
import { PAGES } from '../../server/model/pages.ts'
import { tokens } from '../../server/model/tokens.ts'
import { violations } from '../fixtures/axe.ts'
import { browserSuite, visit, type VisitOptions } from '../fixtures/browser.ts'
import { until } from '../fixtures/until.ts'
import { chatChunk, DONE, sseEvent, startUpstream, type ReceivedRequest } from '../fixtures/upstream.ts'

/** Milliseconds of the model for a token: as fast as it can, and so that there is time to do something. */
const QUICK = 0
const STEADY = 10

/** What Chromium says, and no page can keep it from saying, of an answer with an error, and of no answer. */
const FAILED = /^Failed to load resource: /
/** An answer that is not over before the test is. */
const ENDLESS = 'Count to 5000'
const CLIPBOARD = { permissions: ['clipboard-read', 'clipboard-write'] }

interface Server { app: FastifyInstance, page: string, /** What was asked of the answers: `GET /chat/…` */ asked: string[] }

async function serve (t: Test, pace: number, { port = 0, ...env }: { port?: number, LLM_BASE_URL?: string } = {}): Promise<Server> {
  const app = await buildApp(readConfig({ LLM_PACE_MS: String(pace), ...env }))
  t.teardown(() => app.close())
  const asked: string[] = []
  app.server.on('request', ({ method, url = '' }) => { if (url.startsWith('/chat')) asked.push(`${method} ${url}`) })
  return { app, asked, page: `${await app.listen({ port, host: '127.0.0.1' })}/conversation.html` }
}

/** The page as a person finds their way in it. */
function parts (page: Page) {
  const log = page.getByRole('log', { name: 'Messages' })
  const answers = log.getByRole('article', { name: 'Model' })
  const button = (name: string) => page.getByRole('button', { name, exact: true })
  return {
    log,
    answers,
    answer: answers.last(),
    questions: log.getByRole('article', { name: 'You' }),
    message: page.getByRole('textbox', { name: 'Message' }),
    scroll: page.getByRole('region', { name: 'Conversation' }),
    status: page.getByRole('status'),
    notice: page.getByRole('alert'),
    announced: page.locator('[aria-live=polite]'),
    dialog: page.getByRole('dialog', { name: 'Start a new conversation?' }),
    send: button('Send'),
    stop: button('Stop'),
    retry: button('Retry'),
    copy: button('Copy'),
    anew: button('New conversation'),
    toEnd: button('Scroll to the end')
  }
}

/** Waits until the page's scripts have begun. */
const ready = async (page: Page): Promise<void> => await parts(page).status.filter({ hasNotText: 'Loading' }).waitFor()

async function say (page: Page, text: string): Promise<void> {
  const { message } = parts(page)
  await ready(page)
  await message.fill(text)
  await message.press('Enter')
}

/** Waits until the last answer is over in this way, or has got so far. */
async function is (page: Page, state: 'asking' | 'running' | 'done' | 'failed' | 'aborted' | 'lost'): Promise<void> {
  await page.locator(`.answer:last-child[data-state=${state}]`).waitFor()
}

const shows = async (page: Page, text: string | RegExp): Promise<void> => await parts(page).answer.filter({ hasText: text }).waitFor()

/** What the browser has kept of the last answer: its words as they came. */
async function kept (page: Page): Promise<string> {
  return await page.evaluate<string>("JSON.parse(localStorage.getItem('conversation')).messages.at(-1).content")
}

/** What an answer says from its beginning to its end, by its log. */
async function saidBy (app: FastifyInstance, index = 0): Promise<string> {
  const run = await app.sse.runs.get(app.sse.runs.list()[index]!.id)
  let said = ''
  for await (const { event, data } of run!.read()) if (event === 'delta') said += JSON.parse(data!).text
  return said
}

/** What the page shows of the last answer. */
async function shown (page: Page): Promise<string> {
  return (await parts(page).answer.locator('.markdown').textContent())!.trim()
}

/** How many watch the answers. */
const viewers = (app: FastifyInstance): number => app.sse.runs.list().reduce((sum, { viewers }) => sum + viewers, 0)

/** Cuts off all who watch. The model has a stream as well, which goes on. */
const cutOff = (app: FastifyInstance): number => app.sse.close(({ channels }) => channels.length > 0)

/** How many events an answer has had. */
const eventsOf = (app: FastifyInstance): number => app.sse.runs.list()[0]?.events ?? 0

const focused = async (page: Page): Promise<string> => await page.evaluate<string>('document.activeElement.id')

browserSuite(t, 'the page of the conversation', async (t, browser) => {
  t.jobs = 2
  const test = (sentence: string, body: (t: Test) => Promise<void>) => t.test(sentence, { buffered: true }, body)
  const open = async (t: Test, server: Server, look: (page: Page) => Promise<void>, options?: VisitOptions) => {
    await visit(t, browser, server.page, async page => {
      await ready(page)
      await look(page)
    }, options)
  }

  test('shows an answer as it comes, and what is finished stays as it is', async t => {
    const server = await serve(t, STEADY)
    await open(t, server, async page => {
      const { answer, status, questions, message, stop, send } = parts(page)
      await page.getByRole('button', { name: 'What is SSE?' }).click()
      await status.filter({ hasText: 'Connected' }).waitFor()
      t.equal(await questions.locator('.text').textContent(), 'What is SSE?')
      t.ok(await stop.isVisible() && !await send.isVisible())
      const heading = answer.getByRole('heading', { name: 'Server-Sent Events', level: 3 })
      await heading.waitFor()
      const first = (await heading.elementHandle())!
      await answer.getByRole('table').waitFor()
      await is(page, 'running')
      await is(page, 'done')
      t.ok(await first.evaluate(element => element.isConnected), 'what was finished was not made again')
      t.equal(await kept(page), PAGES.sse)
      t.equal(await saidBy(server.app), PAGES.sse)
      t.equal(await answer.getByRole('row').count(), 5)
      t.match(await answer.getByRole('group', { name: 'Code: text' }).textContent(), 'event: price\nid: 42')
      await answer.getByRole('listitem').filter({ hasText: 'curl -N is a client.' }).waitFor()
      await page.getByText(/^8 tokens in, \d{3} out$/).waitFor()
      await status.filter({ hasText: 'Ready' }).waitFor()
      t.equal(await focused(page), 'message', 'the next message can be written')
      t.equal(await message.inputValue(), '')
    })
  })

  test('shows no raw Markdown, wherever a text is cut, and in the end what the whole text makes', async t => {
    const server = await serve(t, QUICK)
    const texts = [...Object.values(PAGES),
      'See [one] and [two][one].\n\n[one]: https://example.com\n\nThen [one] again.',
      'Steps:\n\n1. first\n\n2. second\n\n3. third\n\nEnd', 'One:\r\n\r\n- a\r\n- b\r\n\r\n  more\r\n', 'Said before\n- a **bold** item\n- [ ] to do\n',
      '<div>\n\nin a block\n\n</div>\n\nand <b>after</b> it', '- in a list:\n\n  ```js\n  code **here**\n  ```\n- last', '~~gone~~ and ***both*** and `a ** b` and f_o_o and _so_',
      'Head:\n| a | b \\| c |\n|:-:|--|\n| `1` | **2** |', '```\nnever closed', '[x](javascript:alert(1)) ![y](https://elsewhere.test/y.png)'
    ]
    await open(t, server, async page => {
      await page.evaluate(`(async () => {
        const { MarkdownView } = await import('${new URL('conversation-markdown.js', server.page)}')
        const view = () => {
          const element = document.createElement('div')
          return { element, markdown: new MarkdownView(element) }
        }
        globalThis.compare = pieces => {
          const grown = view()
          const raw = []
          let text = ''
          for (const piece of pieces) {
            text += piece
            grown.markdown.show(text, false)
            const shown = grown.element.cloneNode(true)
            for (const code of shown.querySelectorAll('code')) code.remove()
            if (/\\*\\*|\`\`\`|~~|\\|\\s*:?-|\\]\\(|^\\|/m.test(shown.textContent) || shown.querySelector('h4')?.textContent === 'Said before') raw.push([text, shown.textContent])
          }
          grown.markdown.show(text, true)
          const whole = view()
          whole.markdown.show(text, true)
          return { raw, grown: grown.element.innerHTML, whole: whole.element.innerHTML }
        }
      })()`)
      for (const text of texts) {
        const { raw, grown, whole } = await page.evaluate<{ raw: string[], grown: string, whole: string }>(`compare(${JSON.stringify([...tokens(text)])})`)
        t.strictSame(raw.slice(0, 3), [], 'no raw Markdown')
        t.equal(grown, whole)
      }
    })
  })

  test('lets nothing run, or reach out, that an answer says', async t => {
    const server = await serve(t, QUICK)
    const attempts = [
      '<img src=x onerror="pwned=1">', '<script>pwned=1</script>', '<svg onload="pwned=1"><a xlink:href="javascript:pwned=1">x</a></svg>',
      '[a](javascript:pwned=1) [b](JaVaScRiPt&colon;pwned=1) [c](data:text/html,x) [d](vbscript:x)', '<a href="javascript:pwned=1">e</a>',
      '<iframe srcdoc="<script>parent.pwned=1</script>"></iframe><object data=x></object><embed src=x><base href="//elsewhere.test">',
      '<form action="//elsewhere.test"><input name=q><button>go</button></form>', '<p style="position:fixed;inset:0" id=message class=composer onclick="pwned=1">over</p>',
      '<style>body{display:none}</style><link rel=stylesheet href="//elsewhere.test/x.css"><meta http-equiv=refresh content="0;url=//elsewhere.test">',
      '![seen](https://elsewhere.test/pixel.png) <img alt=too src="//elsewhere.test/2.png" srcset="//elsewhere.test/3.png">',
      '<math><mtext><table><mglyph><style><!--</style><img title="--><img src=x onerror=pwned=1>">', '<div data-id=x aria-label=y role=alert hidden>z</div>',
      '[good](https://example.com "title") <https://example.org> [mail](mailto:a@example.com)', '```js" onmouseover="pwned=1\ncode\n```', '<details open ontoggle=pwned=1>'
    ]
    const far: string[] = []
    const TAGS = /^(?:div|p|a|figure|figcaption|button|pre|code|b|em)$/
    const ATTRIBUTES = /^(?:href|target|rel|title|class|role|aria-label|tabindex|type)$/
    await open(t, server, async page => {
      page.on('request', request => { if (!request.url().startsWith(new URL(server.page).origin)) far.push(request.url()) })
      await say(page, `Repeat: ${attempts.join('\n\n')}`)
      await is(page, 'done')
      t.equal(await kept(page), attempts.join('\n\n'))
      const found = await page.evaluate<{ tags: string[], attributes: string[], links: string[][], text: string, pwned: unknown }>(`(() => {
        const all = Array.from(document.querySelectorAll('.answer .markdown *'))
        return {
          tags: Array.from(new Set(all.map(({ localName }) => localName))),
          attributes: Array.from(new Set(all.flatMap(element => element.getAttributeNames()))),
          links: all.filter(({ localName, href }) => localName === 'a' && href).map(({ href, target, rel }) => [href, target, rel]),
          text: document.querySelector('.answer .markdown').textContent,
          pwned: globalThis.pwned
        }
      })()`)
      t.equal(found.pwned, undefined)
      t.strictSame(found.tags.filter(tag => !TAGS.test(tag)), [])
      t.strictSame(found.attributes.filter(name => !ATTRIBUTES.test(name)), [])
      t.strictSame(found.links, ['https://example.com/', 'https://example.org/', 'mailto:a@example.com'].map(href => [href, '_blank', 'noopener noreferrer']))
      t.match(found.text, 'seen', 'of an image from elsewhere there is what it shows')
      t.match(found.text, '<script>pwned=1</script>', 'of HTML, what it says')
    })
    t.strictSame(far, [])
  })

  test('stops an answer, says so, and asks again for it', async t => {
    const server = await serve(t, STEADY)
    const { app, asked } = server
    await open(t, server, async page => {
      const { stop, send, answers, retry } = parts(page)
      await say(page, ENDLESS)
      await shows(page, '1, 2, 3')
      await stop.click()
      await is(page, 'aborted')
      await shows(page, 'You stopped this answer.')
      t.equal(await kept(page), await saidBy(app), 'what was said is kept')
      t.equal(await focused(page), 'message')
      t.ok(await send.isVisible() && !await stop.isVisible())
      await retry.click()
      await is(page, 'running')
      await shows(page, '1, 2, 3')
      t.equal(await answers.count(), 1, 'in place of the first')
      t.strictSame(app.sse.runs.list().map(({ state }) => state), ['aborted', 'running'])
      await stop.click()
      await is(page, 'aborted')
      await until(() => viewers(app) === 0, 'nothing is watched any more')
    })
    const [id] = app.sse.runs.list().map(({ id }) => id.replace('chat:', ''))
    t.strictSame(asked.slice(0, 3), ['POST /chat', `GET /chat/${id}`, `DELETE /chat/${id}`])
  })

  test('says what to do when an answer has failed, and tries again', async t => {
    const server = await serve(t, QUICK)
    await open(t, server, async page => {
      const { retry, answers, questions } = parts(page)
      await say(page, '/fail What is SSE?')
      await is(page, 'failed')
      await shows(page, 'The model failed while it answered. Try again; it may succeed.')
      t.equal(await kept(page), await saidBy(server.app))
      await answers.getByRole('heading', { name: 'Server-Sent Events' }).waitFor()
      await retry.click()
      await until(() => server.app.sse.runs.size === 2, 'it was asked again')
      await is(page, 'failed')
      t.strictSame([await answers.count(), await questions.count()], [1, 1])
      await say(page, 'Say hello')
      await is(page, 'done')
      t.equal(await retry.count(), 0, 'of an answer that is not the last, none can be had again')
    })
  })

  test('advises by what has failed', async t => {
    const failures: Array<[(request: ReceivedRequest) => void, RegExp]> = [
      [request => request.respond(429, { 'x-should-retry': 'false' }, '{}'), /too many requests.*Try again later\./],
      [request => request.respond(429, {}, '{"error":{"code":"insufficient_quota"}}'), /quota.*exhausted.*the server’s operator must fix this\./],
      [request => { request.stream('data: {broken\n\n').end() }, /malformed.*The same request would probably fail again\. Try to rephrase it\./],
      [request => request.respond(401, {}, '{}'), /rejected our credentials.*the server’s operator must fix this\./],
      [request => request.respond(413, {}, '{}'), /too long for the model.*Shorten your message, or start a new conversation\./],
      [request => request.respond(400, {}, '{}'), /rejected the request.*Start a new conversation\./],
      [request => { request.stream(chatChunk({ content: 'Half' })).end() }, /incomplete.*Try again; it may succeed/],
      [request => { request.stream(chatChunk({ content: 'Half a' }), chatChunk({}, 'length'), DONE).end() }, /has reached its maximum length\. Ask the model to continue\./],
      [request => { request.stream(chatChunk({ content: 'Half a' }), chatChunk({}, 'content_filter'), DONE).end() }, /The model’s content filter cut off this answer\./]
    ]
    const { baseURL } = await startUpstream(t, (request, number) => failures[number - 1]![0](request))
    const server = await serve(t, QUICK, { LLM_BASE_URL: baseURL })
    await open(t, server, async page => {
      const { answers } = parts(page)
      for (const [index, [, advice]] of failures.entries()) {
        await say(page, `Question ${index}`)
        await answers.nth(index).filter({ hasText: advice }).waitFor()
      }
    })
  })

  test('shows what a model thinks, apart from what it says', async t => {
    const { baseURL } = await startUpstream(t, request => {
      request.stream(chatChunk({ reasoning_content: 'What may **this** be?' }), chatChunk({ content: 'A table.' }), chatChunk({}, 'stop'), sseEvent({ choices: [], usage: { prompt_tokens: 1234, completion_tokens: 5, total_tokens: 1239 } }), DONE).end()
    })
    const server = await serve(t, QUICK, { LLM_BASE_URL: baseURL })
    await open(t, server, async page => {
      const { answer } = parts(page)
      await say(page, 'What is it?')
      await is(page, 'done')
      const thought = answer.getByText('What may **this** be?')
      t.notOk(await thought.isVisible())
      await answer.getByText('Reasoning').click()
      await thought.waitFor()
      t.equal(await kept(page), 'A table.')
      await page.getByText('1,234 tokens in, 5 out').waitFor()
      await page.reload()
      await answer.getByText('Reasoning').click()
      await thought.waitFor()
    })
  })

  test('copies an answer as it was written, and code alone', async t => {
    const server = await serve(t, QUICK)
    await open(t, server, async page => {
      const { answer } = parts(page)
      const clipboard = async () => await page.evaluate('navigator.clipboard.readText()')
      await say(page, 'Show me code for a Fastify route')
      await is(page, 'done')
      await answer.getByRole('button', { name: 'Copy', exact: true }).click()
      await page.getByRole('button', { name: 'Copied' }).waitFor()
      t.equal(await clipboard(), PAGES.serverCode)
      await answer.getByRole('figure').getByText(/^js/).waitFor()
      await answer.getByRole('button', { name: 'Copy the code' }).click()
      await until(async () => await clipboard() === /```js\n(.*?)```/s.exec(PAGES.serverCode)![1], 'the code was copied')
    }, CLIPBOARD)
  })

  test('goes on after a reload in the middle of an answer, with no word lost and none twice', async t => {
    const server = await serve(t, STEADY)
    const { app, asked } = server
    await open(t, server, async page => {
      await say(page, ENDLESS)
      for (const number of ['10', '40', '70', '100']) {
        await shows(page, ` ${number},`)
        if (number !== '100') await page.reload()
      }
      await parts(page).stop.click()
      await is(page, 'aborted')
      t.equal(await kept(page), await saidBy(app))
      t.equal(await shown(page), await kept(page))
    })
    t.equal(app.sse.runs.size, 1)
    t.equal(asked.filter(request => /^GET .*lastEventId=/.test(request)).length, 3, 'each time from where it was')
  })

  test('keeps the conversation after a reload, until another is begun', async t => {
    const server = await serve(t, QUICK)
    await open(t, server, async page => {
      const { questions, answers, anew, dialog, message } = parts(page)
      t.equal(await anew.getAttribute('aria-disabled'), 'true', 'there is nothing to leave yet')
      await anew.click({ force: true })
      t.notOk(await dialog.isVisible())
      await say(page, 'My name is Ada')
      await is(page, 'done')
      await page.reload()
      await say(page, 'What is my name?')
      await shows(page, 'Your name is Ada.')
      await page.reload()
      t.strictSame(await questions.locator('.text').allTextContents(), ['My name is Ada', 'What is my name?'], 'in their order')
      t.equal(await answers.count(), 2)
      await anew.click()
      await dialog.getByRole('button', { name: 'Cancel' }).click()
      t.equal(await answers.count(), 2)
      await anew.click()
      await page.keyboard.press('Escape')
      t.equal(await answers.count(), 2)
      await anew.click()
      await dialog.getByRole('button', { name: 'Start new' }).click()
      await page.getByText('Suggestions').waitFor()
      t.equal(await answers.count(), 0)
      t.equal(await focused(page), 'message')
      await page.reload()
      await page.getByText('Suggestions').waitFor()
      await ready(page)
      await message.fill('What is my name?')
      await parts(page).send.click()
      await shows(page, 'You haven’t told me.')
    })
  })

  test('is the same in two tabs: what is asked in one, answered in both, stopped and cleared from either', async t => {
    const server = await serve(t, STEADY)
    const { app } = server
    await open(t, server, async page => {
      const other = await page.context().newPage()
      await other.goto(server.page)
      await say(page, 'Say hello')
      for (const tab of [page, other]) await is(tab, 'done')
      for (const tab of [page, other]) t.equal(await shown(tab), 'hello')
      await say(page, ENDLESS)
      for (const tab of [page, other]) await shows(tab, '1, 2, 3')
      t.equal(viewers(app), 2)
      await say(other, 'And now?')
      await parts(other).notice.filter({ hasText: 'An answer is still in progress. Wait until it ends, or stop it.' }).waitFor()
      t.equal(await parts(other).message.inputValue(), 'And now?', 'nothing that was written is lost')
      await parts(other).stop.click()
      for (const tab of [page, other]) await is(tab, 'aborted')
      for (const tab of [page, other]) t.equal(await shown(tab), await saidBy(app, 1))
      await parts(page).retry.click()
      await is(other, 'running')
      await parts(other).anew.click()
      await parts(other).dialog.getByRole('button', { name: 'Start new' }).click()
      await page.getByText('Suggestions').waitFor()
      await until(() => viewers(app) === 0, 'nothing is watched any more')
      await until(() => app.sse.runs.list().every(({ state }) => state !== 'running'), 'nothing runs any more')
      t.equal(app.sse.runs.size, 3, 'asked once each')
    })
  })

  test('does not bring back what was cleared, from a tab that has not heard of it', async t => {
    const server = await serve(t, QUICK)
    await open(t, server, async page => {
      const { anew, dialog } = parts(page)
      const other = await page.context().newPage()
      await other.goto(server.page)
      await say(page, 'Say hello')
      for (const tab of [page, other]) await is(tab, 'done')
      // As if that tab had done more than the one that clears it.
      const text = await page.evaluate<string>("JSON.stringify({ ...JSON.parse(localStorage.getItem('conversation')), revision: 99 })")
      await anew.click()
      await dialog.getByRole('button', { name: 'Start new' }).click()
      await other.getByText('Suggestions').waitFor()
      const keeps = async (tab: Page) => await tab.evaluate<number>("JSON.parse(localStorage.getItem('conversation')).messages.length")
      await other.evaluate(`localStorage.setItem('conversation', ${JSON.stringify(text)})`)
      for (const tab of [page, other]) {
        await until(async () => await keeps(tab) === 0, 'what is kept is as it was')
        await tab.getByText('Suggestions').waitFor()
      }
      await other.evaluate('localStorage.clear()')
      await say(page, 'Say goodbye')
      for (const tab of [page, other]) await shows(tab, 'goodbye')
    })
  })

  test('comes back when the network was gone, and when streams are cut, with no word lost and none twice', async t => {
    const server = await serve(t, STEADY)
    const { app } = server
    await open(t, server, async page => {
      const { status } = parts(page)
      await say(page, ENDLESS)
      await shows(page, ' 20,')
      await page.context().setOffline(true)
      await status.filter({ hasText: 'Offline' }).waitFor()
      // Chromium pretends for new requests only.
      cutOff(app)
      await until(() => viewers(app) === 0, 'nobody watches')
      const events = eventsOf(app)
      await until(() => eventsOf(app) >= events + 20, 'the answer goes on')
      await page.context().setOffline(false)
      await status.filter({ hasText: 'Connected' }).waitFor()
      await until(() => viewers(app) === 1, 'it is watched again')
      cutOff(app)
      await status.filter({ hasText: 'Reconnecting' }).waitFor()
      await status.filter({ hasText: 'Connected' }).waitFor()
      await parts(page).stop.click()
      await is(page, 'aborted')
      t.equal(await kept(page), await saidBy(app))
      t.equal(await shown(page), await kept(page))
      t.equal(app.sse.runs.size, 1)
    }, { expected: FAILED })
  })

  test('asks again after a silence in which the connection may have died', async t => {
    const server = await serve(t, QUICK)
    const { asked } = server
    await open(t, server, async page => {
      await page.clock.install()
      await page.reload()
      await say(page, '/stall What is SSE?')
      const watched = () => asked.filter(request => request.startsWith('GET /chat/'))
      await until(async () => {
        await page.clock.runFor(100)
        return watched().length === 1 && eventsOf(server.app) === 8
      }, 'it has fallen silent')
      await until(async () => {
        await page.clock.runFor(1_000)
        return watched().length === 2
      }, 'it is asked for again')
      t.match(watched()[1], /\?lastEventId=\w+\.\d+-\d+$/)
    }, { fresh: true })
  })

  test('says that an answer is lost when the server was started anew, and asks again for it', async t => {
    const server = await serve(t, STEADY)
    await open(t, server, async page => {
      const { retry } = parts(page)
      await say(page, ENDLESS)
      await shows(page, ' 10,')
      // The server goes without a word, and the page has not seen it go.
      await page.context().setOffline(true)
      cutOff(server.app)
      await until(() => viewers(server.app) === 0, 'nobody watches')
      await server.app.close()
      const again = await serve(t, STEADY, { port: Number(new URL(server.page).port) })
      await page.context().setOffline(false)
      await is(page, 'lost')
      await shows(page, /The server no longer has this answer.*Retry to get a complete one/)
      t.match(await shown(page), /^1, 2, .* 10,/, 'what there was of it is kept')
      await retry.click()
      await is(page, 'running')
      await shows(page, ' 10,')
      t.equal(again.app.sse.runs.size, 1)
    }, { expected: FAILED })
  })

  test('says that the server was stopped', async t => {
    const server = await serve(t, STEADY)
    await open(t, server, async page => {
      await say(page, ENDLESS)
      await shows(page, '1, 2, 3')
      await server.app.close()
      await is(page, 'failed')
      await shows(page, 'The server was shut down. It is probably restarting. Try again later.')
    }, { expected: FAILED })
  })

  test('waits for a server that is refused for a while, and goes on', async t => {
    const server = await serve(t, STEADY)
    const { app } = server
    await open(t, server, async page => {
      const { status, stop } = parts(page)
      await say(page, ENDLESS)
      await shows(page, ' 10,')
      let refused = 0
      await page.route('**/chat/*', async route => {
        refused++
        await route.fulfill({ status: 503, body: 'not now' })
      })
      cutOff(app)
      await until(() => refused >= 3, 'it was refused, looked why, and asked again')
      await status.filter({ hasText: 'Reconnecting' }).waitFor()
      await page.unroute('**/chat/*')
      await status.filter({ hasText: 'Connected' }).waitFor()
      await stop.click()
      await is(page, 'aborted')
      t.equal(await kept(page), await saidBy(app))
    }, { expected: FAILED })
  })

  test('begins one answer, however often it has to ask', async t => {
    const server = await serve(t, STEADY)
    const { app } = server
    const keys: Array<string | undefined> = []
    await open(t, server, async page => {
      const { status } = parts(page)
      let asked = 0
      await page.route('**/chat', async route => {
        const attempt = asked++
        if (attempt === 2) return await route.fallback()
        keys.push(route.request().headers()['idempotency-key'])
        // The second one arrives, and its answer is lost.
        if (attempt === 1) await route.fetch()
        await route.abort()
      })
      await say(page, 'Count to 20')
      await status.filter({ hasText: 'Reconnecting The server is unreachable. Your message is sent as soon as possible.' }).waitFor()
      await is(page, 'done')
      t.equal(asked, 3)
      t.equal(await kept(page), await saidBy(app))
    }, { expected: FAILED })
    t.equal(keys.length, 2)
    t.equal(new Set(keys).size, 1)
    t.equal(app.sse.runs.size, 1)
  })

  test('asks on after a reload, and stops what was begun when nobody wants it any more', async t => {
    const server = await serve(t, STEADY)
    const { app } = server
    await open(t, server, async page => {
      const { stop, retry } = parts(page)
      const held: Route[] = []
      await page.route('**/chat', async route => { held.push(route) })
      await say(page, ENDLESS)
      await until(() => held.length === 1, 'it was asked')
      await page.reload()
      await until(() => held.length === 2, 'it was asked again')
      await is(page, 'asking')
      await stop.click()
      await is(page, 'aborted')
      await held[1]!.continue()
      await until(() => app.sse.runs.list()[0]?.state === 'aborted', 'what was begun is stopped')
      await page.unroute('**/chat')
      await retry.click()
      await is(page, 'running')
      t.equal(app.sse.runs.size, 2)
    })
  })

  test('says why the server has refused a question', async t => {
    const server = await serve(t, QUICK)
    await open(t, server, async page => {
      const { retry } = parts(page)
      const refuse = async (status: number, body: string, headers = {}): Promise<void> => {
        await page.unroute('**/chat')
        await page.route('**/chat', async route => { await route.fulfill({ status, body, headers }) })
      }
      await refuse(503, '{ "message": "The maximum number of runs is reached; try again later" }', { 'retry-after': '60' })
      await say(page, 'Count to 3')
      await shows(page, 'The maximum number of runs is reached; try again later. Try again in 60 s.')
      await refuse(502, '<h1>Bad gateway</h1>')
      await retry.click()
      await shows(page, 'The server responded with 502. Try again; it may succeed.')
      await page.unroute('**/chat')
      await retry.click()
      await shows(page, '1, 2, 3.')
    }, { expected: FAILED })
  })

  test('asks with as much as the server takes, and says what is left out', async t => {
    const server = await serve(t, QUICK)
    await open(t, server, async page => {
      const { notice, message, log } = parts(page)
      const messages = Array.from({ length: 100 }, (_, index) => ({
        id: `m${index}`, role: index % 2 === 0 ? 'user' : 'assistant', content: `${index}: ${'ä'.repeat(1_000)}`, ...index % 2 === 1 && { state: 'done' }
      }))
      await page.evaluate(`localStorage.setItem('conversation', ${JSON.stringify(JSON.stringify({ messages }))})`)
      await page.reload()
      await log.getByText(/^99: /).waitFor()
      const asking = page.waitForRequest('**/chat')
      await say(page, 'How many messages have I written?')
      const body = (await asking).postDataBuffer()!
      t.ok(body.length <= 64 * 1024 && body.length > 62 * 1024, `${body.length} bytes`)
      const asked: Array<{ content: string }> = JSON.parse(body.toString()).messages
      t.strictSame(asked.map(({ content }) => content), [...messages.slice(101 - asked.length).map(({ content }) => content), 'How many messages have I written?'])
      await is(page, 'done')
      await page.getByText('The model does not receive the messages above').waitFor()
      t.match(await page.locator('#forgotten + .message').textContent(), asked[0]!.content, 'where it begins to read')
      await page.getByText('Earlier messages were removed.').waitFor()
      t.equal(await log.getByRole('article').count(), 100)
      await say(page, 'x'.repeat(65_536))
      await notice.filter({ hasText: 'This message exceeds the server’s limit of 64 KiB.' }).waitFor()
      t.equal((await message.inputValue()).length, 65_536, 'nothing that was written is lost')
    })
  })

  test('does without what cannot be kept, or was not kept by it', async t => {
    const server = await serve(t, QUICK)
    await open(t, server, async page => {
      const { notice } = parts(page)
      for (const stored of ['nonsense', '{"messages":1}', '{"messages":[null,{"id":1}]}', '[]']) {
        await page.evaluate(`localStorage.setItem('conversation', ${JSON.stringify(stored)})`)
        await page.reload()
        await page.getByText('Suggestions').waitFor()
      }
      await page.evaluate("Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }")
      await say(page, 'Count to 3')
      await shows(page, '1, 2, 3.')
      await notice.filter({ hasText: 'This browser can’t store the conversation. It will be lost when the page is closed.' }).waitFor()
      await say(page, 'Count to 4')
      await shows(page, '1, 2, 3, 4.')
    })
  })

  test('follows the text, unless the reader has scrolled up', async t => {
    const server = await serve(t, STEADY)
    await open(t, server, async page => {
      const { scroll, toEnd } = parts(page)
      const below = async () => await scroll.evaluate(element => element.scrollHeight - element.scrollTop - element.clientHeight)
      const height = async () => await scroll.evaluate(element => element.scrollHeight)
      await say(page, 'Tell me a long story')
      const first = await height()
      await until(async () => await height() > first + 200, 'the text is longer than the window')
      await until(async () => await below() < 10, 'its end is in view')
      t.notOk(await toEnd.isVisible())
      await scroll.hover()
      await page.mouse.wheel(0, -120)
      await toEnd.waitFor()
      const top = await scroll.evaluate(element => element.scrollTop)
      const second = await height()
      await until(async () => await height() > second + 100, 'there is more text')
      t.ok(await scroll.evaluate(element => element.scrollTop) <= top, 'it stays where the reader is')
      await toEnd.click()
      await until(async () => await below() < 10, 'its end is in view again')
      const third = await height()
      await until(async () => await height() > third + 50 && await below() < 10, 'it follows again')
      t.notOk(await toEnd.isVisible())
    }, { viewport: { width: 800, height: 400 } })
  })

  test('reads an answer aloud once it is whole, and not word by word', async t => {
    const server = await serve(t, STEADY)
    await open(t, server, async page => {
      const { announced, log, answer, stop } = parts(page)
      await page.evaluate(`(() => {
        globalThis.heard = []
        const region = document.querySelector('[aria-live=polite]')
        new MutationObserver(() => heard.push(region.textContent)).observe(region, { childList: true })
      })()`)
      await say(page, ENDLESS)
      await shows(page, '1, 2, 3')
      t.equal(await log.getAttribute('aria-live'), 'off')
      t.equal(await answer.getAttribute('aria-busy'), 'true')
      await stop.click()
      await is(page, 'aborted')
      t.equal(await answer.getAttribute('aria-busy'), 'false')
      await announced.filter({ hasText: /^1, 2, 3.* You stopped this answer\.$/ }).waitFor()
      await say(page, 'Say hello')
      await announced.filter({ hasText: /^hello$/ }).waitFor()
      t.equal(await page.evaluate('heard.length'), 2)
    })
  })

  test('can be used by keyboard alone', async t => {
    const server = await serve(t, STEADY)
    await open(t, server, async page => {
      const { message, answer, dialog } = parts(page)
      const focusedName = async () => await page.evaluate('document.activeElement.ariaLabel ?? document.activeElement.textContent')
      await until(async () => await focused(page) === 'message', 'the message is where one begins')
      await page.keyboard.press('Enter')
      await page.keyboard.type('Repeat: one')
      await page.keyboard.press('Shift+Enter')
      await page.keyboard.type('```js')
      await page.keyboard.press('Shift+Enter')
      await page.keyboard.type('two')
      t.equal(await message.inputValue(), 'Repeat: one\n```js\ntwo')
      await page.keyboard.press('Enter')
      await is(page, 'done')
      t.equal(await kept(page), 'one\n```js\ntwo')
      for (const name of ['Retry', 'Copy', 'Code: js', 'Copy the code', 'Conversation', 'New conversation']) {
        if (name === 'Retry') continue
        await page.keyboard.press('Shift+Tab')
        t.equal(await focusedName(), name)
        t.ok(await page.evaluate("document.activeElement.matches(':focus-visible')"))
      }
      await page.keyboard.press('Enter')
      await dialog.waitFor()
      await page.keyboard.press('Escape')
      await message.focus()
      await page.keyboard.type(ENDLESS)
      await page.keyboard.press('Enter')
      await answer.filter({ hasText: '1, 2, 3' }).waitFor()
      await page.keyboard.press('Tab')
      await page.keyboard.press('Enter')
      await is(page, 'aborted')
      await page.keyboard.press('Shift+Tab')
      t.equal(await focusedName(), 'Retry')
      await page.keyboard.press('Enter')
      await is(page, 'running')
      t.equal(await focused(page), 'message')
    })
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`has nothing that axe finds fault with, on a telephone, in ${colorScheme}`, async t => {
      const server = await serve(t, STEADY)
      await open(t, server, async page => {
        const { anew, answer, dialog, stop } = parts(page)
        const audit = async (what: string): Promise<void> => {
          t.strictSame(await violations(page), [], what)
          t.equal(await page.evaluate('document.documentElement.scrollWidth'), 390, 'nothing is wider than the window')
        }
        await page.getByText('Suggestions').waitFor()
        await audit('at the beginning')
        await say(page, ENDLESS)
        await shows(page, '1, 2, 3')
        t.equal(await answer.evaluate(element => element.getAnimations({ subtree: true }).length), 0, 'nothing moves')
        await audit('while an answer is given')
        await stop.click()
        await is(page, 'aborted')
        for (const [text, state] of [['Show me markdown', 'done'], ['/fail hello', 'failed'], [`Repeat: ${'W'.repeat(500)}\n\n| ${'wide | '.repeat(30)}\n|${'-|'.repeat(30)}\n\n    ${'code '.repeat(100)}`, 'done']] as const) {
          await say(page, text)
          await is(page, state)
        }
        await audit('with answers of all kinds')
        await anew.click()
        await dialog.waitFor()
        await audit('with the dialog')
      }, { viewport: { width: 390, height: 844 }, colorScheme, reducedMotion: 'reduce' })
    })
  }
})
