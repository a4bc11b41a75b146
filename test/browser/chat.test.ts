import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Locator, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { buildApp } from '../../server/app.ts'
import { readConfig } from '../../server/config.ts'
import { browserSuite, visit } from '../fixtures/browser.ts'
import { until } from '../fixtures/until.ts'

/** Milliseconds between two lines: for a run that is watched to its end, and for one that is not. */
const QUICK = 20
const SLOW = 500

const FILE = new URL('../../static/chat.html', import.meta.url)
/** What Chromium says, and no page can keep it from saying, of an answer with an error. */
const REFUSAL = /^Failed to load resource: the server responded with a status of 4/
const UNREACHABLE = /net::ERR_/

interface Server { app: FastifyInstance, origin: string, /** The page's address. */ chat: string, /** The streams that were asked for. */ asked: string[] }

async function serve (t: Test, interval: number, port = 0): Promise<Server> {
  const app = await buildApp(readConfig({ CHAT_INTERVAL_MS: String(interval) }))
  t.teardown(() => app.close())
  const asked: string[] = []
  app.server.on('request', ({ url = '' }) => { if (url.startsWith('/learn/')) asked.push(url) })
  const origin = await app.listen({ port, host: '127.0.0.1' })
  return { app, asked, origin, chat: `${origin}/chat.html` }
}

/** A server of another make, which any page may read. */
async function serveRaw (t: Test, listener: RequestListener): Promise<string> {
  const server = createServer((request, response) => {
    response.setHeader('access-control-allow-origin', '*')
    listener(request, response)
  })
  t.teardown(() => { server.closeAllConnections(); server.close() })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The page as a person finds their way in it. */
function parts (page: Page) {
  const eventSource = page.getByRole('region', { name: 'EventSource' })
  const fetch = page.getByRole('region', { name: 'fetch', exact: true })
  return {
    name: page.getByRole('textbox', { name: 'Name' }),
    free: page.getByRole('switch', { name: 'Let the browser reconnect' }),
    start: eventSource.getByRole('button', { name: 'Start' }),
    stop: eventSource.getByRole('button', { name: 'Stop' }),
    status: eventSource.getByRole('status'),
    lines: eventSource.getByRole('log', { name: 'Lines' }).getByRole('listitem'),
    connections: figure(eventSource, 'Connections'),
    fetch: fetch.getByRole('button', { name: 'Fetch' }),
    abort: fetch.getByRole('button', { name: 'Abort' }),
    fetchStatus: fetch.getByRole('status'),
    answer: figure(fetch, 'Response'),
    bytes: figure(fetch, 'Bytes'),
    chunks: fetch.getByRole('region', { name: 'Chunks' })
  }
}

function figure (panel: Locator, name: string): Locator {
  return panel.getByRole('term').filter({ hasText: name }).locator('xpath=following-sibling::dd')
}

const matches = (part: Locator, selector: string): Promise<boolean> => part.evaluate((element, selector) => element.matches(selector), selector)

const says = (status: Locator, text: string | RegExp) => status.filter({ hasText: text }).waitFor()

/** The texts of a list of lines, without the times that stand beside them. */
async function texts (lines: Locator): Promise<string[]> {
  return (await lines.allTextContents()).map(text => text.replace(/\d\d:\d\d:\d\d\.\d{3}$/, ''))
}

/** What came on one connection. */
async function linesOf (connection: number, lines: Locator): Promise<string[]> {
  const rows = await texts(lines)
  const start = rows.findIndex(row => row.startsWith(`Connection ${connection}`)) + 1
  return rows.slice(start, start + 11)
}

const run = (name: string) => ['start', ...Array.from({ length: 10 }, (_, index) => `${name}: the next index:${index + 1}`)]

/** What was sent, as the page shows it, and what it has decoded. */
async function wire (page: Page): Promise<{ raw: string, decoded: string[] }> {
  const { chunks } = parts(page)
  return {
    raw: (await chunks.locator('pre').allTextContents()).join(''),
    decoded: await chunks.getByRole('listitem').getByRole('listitem').allTextContents()
  }
}

browserSuite(t, 'the page of the chat', async (t, browser) => {
  t.jobs = 2
  const test = (sentence: string, body: (t: Test) => Promise<void>) => t.test(sentence, { buffered: true }, body)

  test('shows every line with its time, then closes the stream and says so', async t => {
    const { app, asked, chat } = await serve(t, QUICK)
    await visit(t, browser, chat, async page => {
      const { name, start, stop, status, lines, connections } = parts(page)
      await says(status, 'Closed')
      t.equal(await stop.getAttribute('aria-disabled'), 'true', 'there is nothing to stop yet')
      await name.fill('Ada')
      await start.click()
      await says(status, 'The tenth line arrived, so the page closed the stream.')
      await says(status, 'Closed')
      t.strictSame(await texts(lines), ['Connection 1', ...run('Ada'), 'closed by the page'])
      for (const line of await lines.all()) t.match(await line.locator('time').textContent(), /^\d\d:\d\d:\d\d\.\d{3}$/)
      t.equal(await connections.textContent(), '1')
      await until(() => app.sse.size === 0, 'the server has no stream left')
    })
    t.strictSame(asked, ['/learn/sseChat?name=Ada'], 'asked once')
  })

  test('says that the stream is open, and stops it in the middle', async t => {
    const { app, chat } = await serve(t, SLOW)
    await visit(t, browser, chat, async page => {
      const { start, stop, status, lines } = parts(page)
      await start.click()
      await says(status, 'Open')
      await lines.filter({ hasText: 'the next index:2' }).waitFor()
      t.equal(app.sse.size, 1)
      await stop.click()
      await says(status, 'You stopped the stream.')
      const rows = (await texts(lines)).slice(1)
      t.strictSame(rows, [...run('Thread-2').slice(0, rows.length - 1), 'stopped by you'])
      t.ok(rows.length < 12, 'before the tenth line')
      await until(() => app.sse.size === 0, 'the server has noticed')
      t.ok(await matches(stop, ':focus'), 'the focus is where it was')
      await stop.press('Enter')
      await says(status, 'You stopped the stream.')
    })
  })

  test('starts again from the beginning, and leaves nothing of the first run open', async t => {
    const { app, asked, chat } = await serve(t, SLOW)
    await visit(t, browser, chat, async page => {
      const { name, start, lines, fetch, stop, abort } = parts(page)
      await start.click()
      await fetch.click()
      await lines.filter({ hasText: 'Thread-2: the next index:1' }).waitFor()
      await until(() => app.sse.size === 2, 'both panels read')
      await name.fill('second')
      await start.click()
      await fetch.click()
      await lines.filter({ hasText: 'second: the next index:1' }).waitFor()
      t.strictSame((await texts(lines)).slice(0, 2), ['Connection 1', 'start'])
      await until(() => asked.length === 4 && app.sse.size === 2, 'the first two are gone')
      await stop.click()
      await abort.click()
      await until(() => app.sse.size === 0, 'all are gone')
    })
  })

  test('lets the browser do as it likes: it asks again, and the lines start again', async t => {
    const { app, asked, chat } = await serve(t, SLOW / 2)
    await visit(t, browser, chat, async page => {
      const { start, free, status, lines, connections } = parts(page)
      await free.check()
      await start.click()
      await says(status, 'Reconnecting')
      t.strictSame(await texts(lines), ['Connection 1', ...run('Thread-2'), 'the stream ended'])
      await lines.filter({ hasText: /^Connection 2, after \d\.\d s/ }).waitFor()
      await free.uncheck()
      await says(status, 'The tenth line arrived')
      t.strictSame(await linesOf(2, lines), run('Thread-2'))
      t.equal(await connections.textContent(), '2')
      await until(() => app.sse.size === 0, 'the server has no stream left')
    })
    t.equal(asked.length, 2, 'asked twice')
  })

  test('says that a bad name was refused, and what the server says about it', async t => {
    const { chat } = await serve(t, QUICK)
    await visit(t, browser, chat, async page => {
      const { name, start, status, connections, fetch, fetchStatus, answer } = parts(page)
      await name.fill('x'.repeat(201))
      await start.click()
      await says(status, 'Closed')
      await says(status, 'Refused.')
      t.equal(await connections.textContent(), '0')
      await fetch.click()
      await says(fetchStatus, 'The server responded with 400 Bad Request: querystring/name must NOT have more than 200 characters (FST_ERR_VALIDATION)')
      t.equal(await answer.textContent(), '400 Bad Request')
      const { raw, decoded } = await wire(page)
      t.match(JSON.parse(raw), { statusCode: 400, code: 'FST_ERR_VALIDATION', error: 'Bad Request' }, 'the answer as it came')
      t.strictSame(decoded, [])
    }, { expected: REFUSAL })
  })

  test('does not ask without a name', async t => {
    const { asked, chat } = await serve(t, QUICK)
    await visit(t, browser, chat, async page => {
      const { name, start, fetch, status } = parts(page)
      await name.fill('')
      await start.click()
      await fetch.click()
      await says(status, 'Not connected.')
    })
    t.strictSame(asked, [])
  })

  test('shows markup and line breaks in a name as text, and runs nothing', async t => {
    const { chat } = await serve(t, QUICK)
    const name = '<img src=x onerror=alert(1)>\n<script>alert(2)</script>\n\ndata: \u202E&amp;"\''
    const url = `${chat}?${new URLSearchParams({ name })}`
    await visit(t, browser, url, async page => {
      const { name: field, start, status, lines, fetch, fetchStatus } = parts(page)
      await until(async () => await field.inputValue() === name, 'the address has filled the name in')
      await start.click()
      await fetch.click()
      await says(status, 'The tenth line arrived')
      await says(fetchStatus, 'The server ended the stream.')
      t.strictSame(await texts(lines), ['Connection 1', ...run(name), 'closed by the page'])
      const { raw, decoded } = await wire(page)
      t.ok(raw.includes('data:<script>alert(2)</script>\ndata:\ndata:data: \u202E&amp;"\': the next index:1\n\n'))
      t.strictSame(decoded, run(name).map(text => `message ${text}`))
      t.equal(await page.locator('main img, main script').count(), 0, 'no element was made')
    })
  })

  test('shows the bytes exactly as they were sent, beside what was decoded', async t => {
    const { origin, chat } = await serve(t, QUICK)
    const sent = await (await fetch(`${origin}/learn/sseChat?name=Zo%C3%AB`)).text()
    await visit(t, browser, chat, async page => {
      const { name, fetch, fetchStatus, answer, bytes, chunks } = parts(page)
      await name.fill('Zoë')
      await fetch.click()
      await says(fetchStatus, 'The server ended the stream. A fetch is one request, and does not reconnect.')
      const { raw, decoded } = await wire(page)
      t.equal(raw, sent)
      t.strictSame(decoded, run('Zoë').map(text => `message ${text}`))
      t.equal(await answer.textContent(), '200 OK')
      t.equal(await bytes.textContent(), String(Buffer.byteLength(sent)))
      t.match(await chunks.getByRole('listitem').first().textContent(), /^\d\d:\d\d:\d\d\.\d{3} \d+ bytes/)
    })
  })

  test('decodes every form of the wire, in whatever chunks it comes', async t => {
    const sent = '\uFEFFretry:250\r:beat\r\n\rid: 7\r\nevent:tick\r\ndata: é😀\r\ndata:\r\n\r\ndata:b\0\n\ndata:lost\n'
    const bytes = Buffer.from(sent)
    const middle = bytes.indexOf('😀') + 2
    const other = await serveRaw(t, async (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
      response.write(bytes.subarray(0, middle))
      await new Promise(resolve => { setTimeout(resolve, 100) })
      response.end(bytes.subarray(middle))
    })
    const { chat } = await serve(t, QUICK)
    await visit(t, browser, `${chat}?server=${other}`, async page => {
      const { fetch, fetchStatus, chunks } = parts(page)
      await fetch.click()
      await says(fetchStatus, 'in the middle of an event, which is discarded')
      const { raw, decoded } = await wire(page)
      t.equal(raw, sent)
      t.strictSame(decoded, ['retry 250 ms', 'comment beat', 'tick id 7 é😀\n', 'message id 7 b\0'])
      t.strictSame(await chunks.locator('.mark').evaluateAll(marks => marks.map(mark => mark.dataset.mark)),
        ['BOM', 'CR', 'CRLF', 'CR', 'CRLF', 'CRLF', 'CRLF', 'CRLF', 'CRLF', 'NUL', 'LF', 'LF', 'LF'], 'what cannot be seen is made visible')
    })
  })

  test('aborts a fetch in the middle', async t => {
    const { app, chat } = await serve(t, SLOW)
    await visit(t, browser, chat, async page => {
      const { fetch, fetchStatus, abort, chunks } = parts(page)
      t.equal(await abort.getAttribute('aria-disabled'), 'true', 'there is nothing to abort yet')
      await fetch.click()
      await chunks.getByText('message Thread-2: the next index:1').waitFor()
      await says(fetchStatus, 'Open')
      await abort.click()
      await says(fetchStatus, 'You stopped the stream.')
      await until(() => app.sse.size === 0, 'the server has noticed')
      await says(fetchStatus, 'You stopped the stream.')
    })
  })

  test('says of an answer that is no event stream what it is', async t => {
    const other = await serveRaw(t, (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome</h1>')
    })
    const { chat } = await serve(t, QUICK)
    await visit(t, browser, `${chat}?server=${other}`, async page => {
      const { start, status, fetch, fetchStatus } = parts(page)
      await start.click()
      await says(status, 'Refused.')
      await fetch.click()
      await says(fetchStatus, 'This is not an event stream: text/html')
      t.equal((await wire(page)).raw, '<h1>Welcome</h1>')
    }, { expected: /EventSource's response has a MIME type/ })
  })

  test('uses the server that its address names, from another port', async t => {
    const [page, other] = await Promise.all([serve(t, QUICK), serve(t, QUICK)])
    await visit(t, browser, `${page.chat}?server=${other.origin}&name=far`, watchBoth(t, 'far'))
    t.strictSame([page.asked.length, other.asked.length], [0, 2])
  })

  test('uses the server that its address names, from the disk', async t => {
    const { asked, origin } = await serve(t, QUICK)
    await visit(t, browser, `${FILE}?server=${origin}/&name=disk`, watchBoth(t, 'disk'))
    t.equal(asked.length, 2)
  })

  test('says what to do when it is opened from the disk without a server', async t => {
    await visit(t, browser, FILE, async page => {
      const { start, fetch } = parts(page)
      await page.getByRole('alert').filter({ hasText: 'This page was opened from disk and has no server. Start one with “npm start”' }).waitFor()
      t.ok(await start.isDisabled() && await fetch.isDisabled(), 'there is nothing to start')
      await page.getByRole('link', { name: 'use the server at http://127.0.0.1:3000' }).click()
      await page.getByText("curl -N 'http://127.0.0.1:3000/learn/sseChat?name=Thread-2'").waitFor()
      t.ok(await start.isEnabled())
    })
  })

  test('says that what its address names is no server', async t => {
    const { chat } = await serve(t, QUICK)
    const wrongs = [
      '', '127.0.0.1:3000', 'http://a:b@127.0.0.1:3000', 'http://127.0.0.1:3000/learn', 'javascript:alert(1)', '<b>http://x</b>'
    ]
    await visit(t, browser, chat, async page => {
      const { name, start, fetch, status } = parts(page)
      for (const wrong of wrongs) {
        await page.goto(`${chat}?${new URLSearchParams({ server: wrong })}`)
        t.equal(await page.getByRole('alert').textContent(), `?server=${wrong} in the address of this page is not an origin, such as http://127.0.0.1:3000`)
        t.ok(await start.isDisabled() && await fetch.isDisabled(), 'there is nothing to start')
        await name.press('Enter')
        await says(status, 'Not connected.')
      }
    })
  })

  test('says that its own policy does not let it ask a server elsewhere', async t => {
    const { chat } = await serve(t, QUICK)
    await visit(t, browser, `${chat}?server=http://elsewhere.test`, async page => {
      const { start, status } = parts(page)
      await start.click()
      await page.getByRole('alert').filter({ hasText: 'The content security policy of this page does not allow requests to http://elsewhere.test' }).waitFor()
      await says(status, 'Refused.')
    }, { expected: /policy/i })
  })

  test('keeps asking a server that is not there, and says so', async t => {
    const { app, origin, chat } = await serve(t, QUICK)
    await visit(t, browser, chat, async page => {
      const { start, stop, status, fetch, fetchStatus } = parts(page)
      await start.and(page.locator(':enabled')).waitFor()
      await app.close()
      // A button of a form may lead to another page, which a click would wait for; this one leads to nothing.
      await start.click({ noWaitAfter: true })
      await says(status, `No response from ${origin}; the browser keeps trying.`)
      await says(status, 'Reconnecting')
      await fetch.click({ noWaitAfter: true })
      await says(fetchStatus, `No response from ${origin}`)
      await stop.click()
      await says(status, 'You stopped the stream.')
    }, { expected: UNREACHABLE })
  })

  test('closes a stream that ends before its tenth line', async t => {
    const { app, asked, chat } = await serve(t, SLOW)
    await visit(t, browser, chat, async page => {
      const { start, status, lines, fetch, fetchStatus } = parts(page)
      await start.click()
      await fetch.click()
      await lines.filter({ hasText: 'the next index:1' }).waitFor()
      await says(fetchStatus, 'Open')
      await app.close()
      await says(status, 'The stream ended before the tenth line, so the page closed it.')
      t.equal((await texts(lines)).at(-1), 'the stream ended')
      await says(fetchStatus, 'The server ended the stream.')
      t.match((await wire(page)).decoded.at(-1), /^retry \d+ ms$/, 'the server says when to come back')
    })
    t.equal(asked.length, 2)
  })

  test('comes back by itself to a server that was started anew, with the switch on', async t => {
    const { app, origin, chat } = await serve(t, SLOW)
    await visit(t, browser, chat, async page => {
      const { start, free, status, lines, connections } = parts(page)
      await free.check()
      await start.click()
      await lines.filter({ hasText: 'the next index:1' }).waitFor()
      await app.close()
      await says(status, 'Reconnecting')
      const again = await serve(t, SLOW / 2, Number(new URL(origin).port))
      await lines.filter({ hasText: 'Connection 2' }).waitFor()
      await free.uncheck()
      await says(status, 'The tenth line arrived')
      t.strictSame(await linesOf(2, lines), run('Thread-2'))
      t.equal(await connections.textContent(), '2')
      await until(() => again.app.sse.size === 0, 'the new server has no stream left')
    }, { expected: UNREACHABLE })
  })

  test('keeps the last rows of a stream without end, and says how many it has dropped', async t => {
    const other = await serveRaw(t, async (request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (let index = 0; index < 400; index++) {
        response.write(`data:${index}\n\n`)
        // A turn for each, so that they come in many chunks.
        await new Promise(resolve => { setTimeout(resolve, 2) })
      }
      request.on('close', () => response.end())
    })
    const { chat } = await serve(t, QUICK)
    await visit(t, browser, `${chat}?server=${other}`, async page => {
      const { start, free, lines } = parts(page)
      await free.check()
      await start.click()
      await lines.filter({ hasText: /^399/ }).waitFor()
      t.equal(await lines.count(), 300)
      await page.getByText('Showing the last 300 rows; earlier rows removed: 101').waitFor()
    })
  })

  test('can be used by keyboard alone', async t => {
    const { app, chat } = await serve(t, SLOW)
    await visit(t, browser, chat, async page => {
      const { name, start, stop, free, status, lines, fetch, fetchStatus, abort, chunks } = parts(page)
      const log = page.getByRole('log', { name: 'Lines' })
      await name.waitFor()
      await page.keyboard.press('Tab')
      t.ok(await matches(page.getByRole('link', { name: 'fastify-sse-emitter' }), ':focus-visible'), 'the way home first')
      await page.keyboard.press('Tab')
      t.ok(await matches(name, ':focus-visible'), 'then the name')
      await page.keyboard.press('Control+A')
      await page.keyboard.type('Ada')
      await page.keyboard.press('Shift+Enter')
      await page.keyboard.type('Byron')
      await page.keyboard.press('Enter')
      await lines.filter({ hasText: 'Ada\nByron: the next index:1' }).waitFor()
      for (const [part, what] of [[start, 'start'], [stop, 'stop'], [free, 'the switch'], [log, 'the lines'], [fetch, 'fetch'], [abort, 'abort'], [chunks, 'the chunks']] as const) {
        await page.keyboard.press('Tab')
        t.ok(await matches(part, ':focus-visible'), `then ${what}`)
        if (part === stop) {
          await page.keyboard.press('Enter')
          await says(status, 'You stopped the stream.')
        } else if (part === free) {
          await page.keyboard.press('Space')
          t.ok(await free.isChecked())
        } else if (part === fetch) {
          await page.keyboard.press('Space')
          await says(fetchStatus, 'Open')
        } else if (part === abort) {
          await page.keyboard.press('Space')
          await says(fetchStatus, 'You stopped the stream.')
        }
      }
      await until(() => app.sse.size === 0, 'the server has no stream left')
    })
  })

  test('fits a telephone, in light and in dark, and keeps still for whom movement disturbs', async t => {
    const { chat } = await serve(t, QUICK)
    const papers: string[] = []
    for (const colorScheme of ['light', 'dark'] as const) {
      await visit(t, browser, `${chat}?name=${'W'.repeat(190)}`, async page => {
        const { start, status, fetch, fetchStatus, lines } = parts(page)
        await start.click()
        await fetch.click()
        await says(status, 'The tenth line arrived')
        await says(fetchStatus, 'The server ended the stream.')
        t.equal(await page.evaluate('document.documentElement.scrollWidth'), 360, 'nothing is wider than the window')
        t.equal(await lines.last().evaluate(row => row.getAnimations().length), 0)
        papers.push(await page.evaluate('getComputedStyle(document.body).backgroundColor'))
      }, { viewport: { width: 360, height: 640 }, colorScheme, reducedMotion: 'reduce' })
    }
    t.not(papers[0], papers[1], 'light and dark differ')
  })

  test('is not needed: the address of the stream itself shows the lines as they come', async t => {
    const { app, origin } = await serve(t, SLOW)
    await visit(t, browser, `${origin}/learn/sseChat?name=x`, async page => {
      const shows = (line: string) => async () => (await page.evaluate<string>('document.body?.innerText ?? ""')).includes(line)
      for (const line of ['data:start\n', 'data:x: the next index:1\n', 'data:x: the next index:3\n']) {
        await until(shows(line), `the page shows ${line}`)
        t.equal(app.sse.size, 1, 'before the stream has ended')
      }
    })
  })
})

/** Both panels over a whole run. */
function watchBoth (t: Test, name: string) {
  return async (page: Page) => {
    const { start, status, lines, fetch, fetchStatus } = parts(page)
    await start.click()
    await fetch.click()
    await says(status, 'The tenth line arrived')
    await says(fetchStatus, 'The server ended the stream.')
    t.strictSame(await texts(lines), ['Connection 1', ...run(name), 'closed by the page'])
    t.strictSame((await wire(page)).decoded, run(name).map(text => `message ${text}`))
  }
}
