import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Locator, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { browserSuite, FAILED_REQUEST, visit } from '../fixtures/browser.ts'
import { buildDemo } from '../fixtures/demo.ts'
import { until } from '../fixtures/until.ts'

/** Milliseconds between two lines. */
const FAST = 20
const SLOW = 500

const FILE = new URL('../../static/chat.html', import.meta.url)

interface Server {
  app: FastifyInstance
  origin: string
  /** The address of the page. */
  chat: string
  /** The requests for streams. */
  requests: string[]
}

async function serve (t: Test, interval: number, port = 0): Promise<Server> {
  const app = await buildDemo(t, { CHAT_INTERVAL_MS: String(interval) })
  const requests: string[] = []
  app.server.on('request', ({ url = '' }) => { if (url.startsWith('/learn/')) requests.push(url) })
  const origin = await app.listen({ port, host: '127.0.0.1' })
  return { app, requests, origin, chat: `${origin}/chat.html` }
}

/** Starts a server without Fastify, which pages of every origin may read. */
async function serveRaw (t: Test, listener: RequestListener): Promise<string> {
  const server = createServer((request, response) => {
    response.setHeader('access-control-allow-origin', '*')
    listener(request, response)
  })
  t.teardown(() => { server.closeAllConnections(); server.close() })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The elements of the page by role and name, as assistive technology finds them. */
function parts (page: Page) {
  const eventSource = page.getByRole('region', { name: 'EventSource' })
  const fetch = page.getByRole('region', { name: 'fetch', exact: true })
  return {
    name: page.getByRole('textbox', { name: 'Name' }),
    reconnect: page.getByRole('switch', { name: 'Let the browser reconnect' }),
    start: eventSource.getByRole('button', { name: 'Start' }),
    stop: eventSource.getByRole('button', { name: 'Stop' }),
    status: eventSource.getByRole('status'),
    lines: eventSource.getByRole('log', { name: 'Lines' }).getByRole('listitem'),
    connections: figure(eventSource, 'Connections'),
    fetch: fetch.getByRole('button', { name: 'Fetch' }),
    abort: fetch.getByRole('button', { name: 'Abort' }),
    fetchStatus: fetch.getByRole('status'),
    response: figure(fetch, 'Response'),
    bytes: figure(fetch, 'Bytes'),
    chunks: fetch.getByRole('region', { name: 'Chunks' })
  }
}

function figure (panel: Locator, name: string): Locator {
  return panel.getByRole('term').filter({ hasText: name }).locator('xpath=following-sibling::dd')
}

const matches = (part: Locator, selector: string): Promise<boolean> => part.evaluate((element, selector) => element.matches(selector), selector)

const shows = (status: Locator, text: string | RegExp) => status.filter({ hasText: text }).waitFor()

/** Returns the texts of lines, without their times. */
async function texts (lines: Locator): Promise<string[]> {
  return (await lines.allTextContents()).map(text => text.replace(/\d\d:\d\d:\d\d\.\d{3}$/, ''))
}

/** Returns the lines that were received on one connection. */
async function linesOf (connection: number, lines: Locator): Promise<string[]> {
  const rows = await texts(lines)
  const start = rows.findIndex(row => row.startsWith(`Connection ${connection}`)) + 1
  return rows.slice(start, start + 11)
}

/** The data of all events of a stream. */
const allLines = (name: string) => ['start', ...Array.from({ length: 10 }, (_, index) => `${name}: the next index:${index + 1}`)]

/** Returns the text of the stream and the decoded events, as the page shows them. */
async function wire (page: Page): Promise<{ raw: string, decoded: string[] }> {
  const { chunks } = parts(page)
  return {
    raw: (await chunks.locator('pre').allTextContents()).join(''),
    decoded: await chunks.getByRole('listitem').getByRole('listitem').allTextContents()
  }
}

browserSuite(t, 'the chat page', async (t, browser) => {
  t.jobs = 2
  const test = (name: string, body: (t: Test) => Promise<void>) => t.test(name, { buffered: true }, body)

  test('shows every line with its time, then closes the stream and reports that', async t => {
    const { app, requests, chat } = await serve(t, FAST)
    await visit(t, browser, chat, async page => {
      const { name, start, stop, status, lines, connections } = parts(page)
      await shows(status, 'Closed')
      t.equal(await stop.getAttribute('aria-disabled'), 'true', 'Stop is disabled at first')
      await name.fill('Ada')
      await start.click()
      await shows(status, 'The tenth line arrived, so the page closed the stream.')
      await shows(status, 'Closed')
      t.strictSame(await texts(lines), ['Connection 1', ...allLines('Ada'), 'closed by the page'])
      for (const line of await lines.all()) t.match(await line.locator('time').textContent(), /^\d\d:\d\d:\d\d\.\d{3}$/)
      t.equal(await connections.textContent(), '1')
      await until(() => app.sse.size === 0, 'the server has closed the stream')
    })
    t.strictSame(requests, ['/learn/sseChat?name=Ada'], 'one request')
  })

  test('reports an open stream, and stops it before the last line', async t => {
    const { app, chat } = await serve(t, SLOW)
    await visit(t, browser, chat, async page => {
      const { start, stop, status, lines } = parts(page)
      await start.click()
      await shows(status, 'Open')
      await lines.filter({ hasText: 'the next index:2' }).waitFor()
      t.equal(app.sse.size, 1)
      await stop.click()
      await shows(status, 'You stopped the stream.')
      const rows = (await texts(lines)).slice(1)
      t.strictSame(rows, [...allLines('Thread-2').slice(0, rows.length - 1), 'stopped by you'])
      t.ok(rows.length < 12, 'stopped before the tenth line')
      await until(() => app.sse.size === 0, 'the server has closed the stream')
      t.ok(await matches(stop, ':focus'), 'the focus has not moved')
      await stop.press('Enter')
      await shows(status, 'You stopped the stream.')
    })
  })

  test('a second start closes the first stream and begins again', async t => {
    const { app, requests, chat } = await serve(t, SLOW)
    await visit(t, browser, chat, async page => {
      const { name, start, lines, fetch, stop, abort } = parts(page)
      await start.click()
      await fetch.click()
      await lines.filter({ hasText: 'Thread-2: the next index:1' }).waitFor()
      await until(() => app.sse.size === 2, 'both panels have a stream')
      await name.fill('second')
      await start.click()
      await fetch.click()
      await lines.filter({ hasText: 'second: the next index:1' }).waitFor()
      t.strictSame((await texts(lines)).slice(0, 2), ['Connection 1', 'start'])
      await until(() => requests.length === 4 && app.sse.size === 2, 'the first two streams are closed')
      await stop.click()
      await abort.click()
      await until(() => app.sse.size === 0, 'all streams are closed')
    })
  })

  test('if the browser may reconnect, it requests the stream again and the lines begin again', async t => {
    const { app, requests, chat } = await serve(t, SLOW / 2)
    await visit(t, browser, chat, async page => {
      const { start, reconnect, status, lines, connections } = parts(page)
      await reconnect.check()
      await start.click()
      await shows(status, 'Reconnecting')
      t.strictSame(await texts(lines), ['Connection 1', ...allLines('Thread-2'), 'the stream ended'])
      await lines.filter({ hasText: /^Connection 2, after \d\.\d s/ }).waitFor()
      await reconnect.uncheck()
      await shows(status, 'The tenth line arrived')
      t.strictSame(await linesOf(2, lines), allLines('Thread-2'))
      t.equal(await connections.textContent(), '2')
      await until(() => app.sse.size === 0, 'the server has closed the stream')
    })
    t.equal(requests.length, 2, 'two requests')
  })

  test('reports that an invalid name was rejected, and why', async t => {
    const { chat } = await serve(t, FAST)
    await visit(t, browser, chat, async page => {
      const { name, start, status, connections, fetch, fetchStatus, response } = parts(page)
      await name.fill('x'.repeat(201))
      await start.click()
      await shows(status, 'Closed')
      await shows(status, 'Refused.')
      t.equal(await connections.textContent(), '0')
      await fetch.click()
      await shows(fetchStatus, 'The server responded with 400 Bad Request: querystring/name must NOT have more than 200 characters (FST_ERR_VALIDATION)')
      t.equal(await response.textContent(), '400 Bad Request')
      const { raw, decoded } = await wire(page)
      t.match(JSON.parse(raw), { statusCode: 400, code: 'FST_ERR_VALIDATION', error: 'Bad Request' }, 'the response body')
      t.strictSame(decoded, [])
    }, { expected: FAILED_REQUEST })
  })

  test('sends no request without a name', async t => {
    const { requests, chat } = await serve(t, FAST)
    await visit(t, browser, chat, async page => {
      const { name, start, fetch, status } = parts(page)
      await name.fill('')
      await start.click()
      await fetch.click()
      await shows(status, 'Not connected.')
    })
    t.strictSame(requests, [])
  })

  test('shows markup and line breaks in a name as text', async t => {
    const { chat } = await serve(t, FAST)
    const name = '<img src=x onerror=alert(1)>\n<script>alert(2)</script>\n\ndata: \u202E&amp;"\''
    const url = `${chat}?${new URLSearchParams({ name })}`
    await visit(t, browser, url, async page => {
      const { name: field, start, status, lines, fetch, fetchStatus } = parts(page)
      await until(async () => await field.inputValue() === name, 'the address has filled the name in')
      await start.click()
      await fetch.click()
      await shows(status, 'The tenth line arrived')
      await shows(fetchStatus, 'The server ended the stream.')
      t.strictSame(await texts(lines), ['Connection 1', ...allLines(name), 'closed by the page'])
      const { raw, decoded } = await wire(page)
      t.ok(raw.includes('data:<script>alert(2)</script>\ndata:\ndata:data: \u202E&amp;"\': the next index:1\n\n'))
      t.strictSame(decoded, allLines(name).map(text => `message ${text}`))
      t.equal(await page.locator('main img, main script').count(), 0, 'no element was created')
    })
  })

  test('shows the stream exactly as it was sent, and the decoded events', async t => {
    const { origin, chat } = await serve(t, FAST)
    const sent = await (await fetch(`${origin}/learn/sseChat?name=Zo%C3%AB`)).text()
    await visit(t, browser, chat, async page => {
      const { name, fetch, fetchStatus, response, bytes, chunks } = parts(page)
      await name.fill('Zoë')
      await fetch.click()
      await shows(fetchStatus, 'The server ended the stream. A fetch is one request, and does not reconnect.')
      const { raw, decoded } = await wire(page)
      t.equal(raw, sent)
      t.strictSame(decoded, allLines('Zoë').map(text => `message ${text}`))
      t.equal(await response.textContent(), '200 OK')
      t.equal(await bytes.textContent(), String(Buffer.byteLength(sent)))
      t.match(await chunks.getByRole('listitem').first().textContent(), /^\d\d:\d\d:\d\d\.\d{3} \d+ bytes/)
    })
  })

  test('decodes all line endings and fields, also if a chunk ends within a character', async t => {
    const sent = '\uFEFFretry:250\r:beat\r\n\rid: 7\r\nevent:tick\r\ndata: é😀\r\ndata:\r\n\r\ndata:b\0\n\ndata:lost\n'
    const bytes = Buffer.from(sent)
    const middle = bytes.indexOf('😀') + 2
    const other = await serveRaw(t, async (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
      response.write(bytes.subarray(0, middle))
      await new Promise(resolve => { setTimeout(resolve, 100) })
      response.end(bytes.subarray(middle))
    })
    const { chat } = await serve(t, FAST)
    await visit(t, browser, `${chat}?server=${other}`, async page => {
      const { fetch, fetchStatus, chunks } = parts(page)
      await fetch.click()
      await shows(fetchStatus, 'in the middle of an event, which is discarded')
      const { raw, decoded } = await wire(page)
      t.equal(raw, sent)
      t.strictSame(decoded, ['retry 250 ms', 'comment beat', 'tick id 7 é😀\n', 'message id 7 b\0'])
      t.strictSame(await chunks.locator('.mark').evaluateAll(marks => marks.map(mark => mark.dataset.mark)),
        ['BOM', 'CR', 'CRLF', 'CR', 'CRLF', 'CRLF', 'CRLF', 'CRLF', 'CRLF', 'NUL', 'LF', 'LF', 'LF'], 'invisible characters are marked')
    })
  })

  test('aborts a fetch before the end of the stream', async t => {
    const { app, chat } = await serve(t, SLOW)
    await visit(t, browser, chat, async page => {
      const { fetch, fetchStatus, abort, chunks } = parts(page)
      t.equal(await abort.getAttribute('aria-disabled'), 'true', 'Abort is disabled at first')
      await fetch.click()
      await chunks.getByText('message Thread-2: the next index:1').waitFor()
      await shows(fetchStatus, 'Open')
      await abort.click()
      await shows(fetchStatus, 'You stopped the stream.')
      await until(() => app.sse.size === 0, 'the server has closed the stream')
      await shows(fetchStatus, 'You stopped the stream.')
    })
  })

  test('reports the content type of a response that is not an event stream', async t => {
    const other = await serveRaw(t, (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome</h1>')
    })
    const { chat } = await serve(t, FAST)
    await visit(t, browser, `${chat}?server=${other}`, async page => {
      const { start, status, fetch, fetchStatus } = parts(page)
      await start.click()
      await shows(status, 'Refused.')
      await fetch.click()
      await shows(fetchStatus, 'This is not an event stream: text/html')
      t.equal((await wire(page)).raw, '<h1>Welcome</h1>')
    }, { expected: /EventSource's response has a MIME type/ })
  })

  test('connects to the server in its address, on another port', async t => {
    const [page, other] = await Promise.all([serve(t, FAST), serve(t, FAST)])
    await visit(t, browser, `${page.chat}?server=${other.origin}&name=far`, receiveInBoth(t, 'far'))
    t.strictSame([page.requests.length, other.requests.length], [0, 2])
  })

  test('connects to the server in its address when opened from disk', async t => {
    const { requests, origin } = await serve(t, FAST)
    await visit(t, browser, `${FILE}?server=${origin}/&name=disk`, receiveInBoth(t, 'disk'))
    t.equal(requests.length, 2)
  })

  test('explains what to do when it is opened from disk without a server', async t => {
    await visit(t, browser, FILE, async page => {
      const { start, fetch } = parts(page)
      await page.getByRole('alert').filter({ hasText: 'This page was opened from disk and has no server. Start one with “npm start”' }).waitFor()
      t.ok(await start.isDisabled() && await fetch.isDisabled(), 'the buttons are disabled')
      await page.getByRole('link', { name: 'use the server at http://127.0.0.1:3000' }).click()
      await page.getByText("curl -N 'http://127.0.0.1:3000/learn/sseChat?name=Thread-2'").waitFor()
      t.ok(await start.isEnabled())
    })
  })

  test('reports an invalid server in its address', async t => {
    const { chat } = await serve(t, FAST)
    const wrongs = [
      '', '127.0.0.1:3000', 'http://a:b@127.0.0.1:3000', 'http://127.0.0.1:3000/learn', 'javascript:alert(1)', '<b>http://x</b>'
    ]
    await visit(t, browser, chat, async page => {
      const { name, start, fetch, status } = parts(page)
      for (const wrong of wrongs) {
        await page.goto(`${chat}?${new URLSearchParams({ server: wrong })}`)
        t.equal(await page.getByRole('alert').textContent(), `?server=${wrong} in the address of this page is not an origin, such as http://127.0.0.1:3000`)
        t.ok(await start.isDisabled() && await fetch.isDisabled(), 'the buttons are disabled')
        await name.press('Enter')
        await shows(status, 'Not connected.')
      }
    })
  })

  test('reports that its content security policy forbids requests to another host', async t => {
    const { chat } = await serve(t, FAST)
    await visit(t, browser, `${chat}?server=http://elsewhere.test`, async page => {
      const { start, status } = parts(page)
      await start.click()
      await page.getByRole('alert').filter({ hasText: 'The content security policy of this page does not allow requests to http://elsewhere.test' }).waitFor()
      await shows(status, 'Refused.')
    }, { expected: /policy/i })
  })

  test('reports that the server does not respond and the browser keeps trying', async t => {
    const { app, origin, chat } = await serve(t, FAST)
    await visit(t, browser, chat, async page => {
      const { start, stop, status, fetch, fetchStatus } = parts(page)
      await start.and(page.locator(':enabled')).waitFor()
      await app.close()
      await start.click()
      await shows(status, `No response from ${origin}; the browser keeps trying.`)
      await shows(status, 'Reconnecting')
      await fetch.click()
      await shows(fetchStatus, `No response from ${origin}`)
      await stop.click()
      await shows(status, 'You stopped the stream.')
    }, { expected: FAILED_REQUEST })
  })

  test('closes a stream that ends before the tenth line', async t => {
    const { app, requests, chat } = await serve(t, SLOW)
    await visit(t, browser, chat, async page => {
      const { start, status, lines, fetch, fetchStatus } = parts(page)
      await start.click()
      await fetch.click()
      await lines.filter({ hasText: 'the next index:1' }).waitFor()
      await shows(fetchStatus, 'Open')
      await app.close()
      await shows(status, 'The stream ended before the tenth line, so the page closed it.')
      t.equal((await texts(lines)).at(-1), 'the stream ended')
      await shows(fetchStatus, 'The server ended the stream.')
      t.match((await wire(page)).decoded.at(-1), /^retry \d+ ms$/, 'the server sends a retry time')
    })
    t.equal(requests.length, 2)
  })

  test('if the browser may reconnect, it reconnects to a restarted server', async t => {
    const { app, origin, chat } = await serve(t, SLOW)
    await visit(t, browser, chat, async page => {
      const { start, reconnect, status, lines, connections } = parts(page)
      await reconnect.check()
      await start.click()
      await lines.filter({ hasText: 'the next index:1' }).waitFor()
      await app.close()
      await shows(status, 'Reconnecting')
      const restarted = await serve(t, SLOW / 2, Number(new URL(origin).port))
      await lines.filter({ hasText: 'Connection 2' }).waitFor()
      await reconnect.uncheck()
      await shows(status, 'The tenth line arrived')
      t.strictSame(await linesOf(2, lines), allLines('Thread-2'))
      t.equal(await connections.textContent(), '2')
      await until(() => restarted.app.sse.size === 0, 'the restarted server has closed the stream')
    }, { expected: FAILED_REQUEST })
  })

  test('keeps only the last rows of an endless stream, and reports how many were removed', async t => {
    const other = await serveRaw(t, async (request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (let index = 0; index < 400; index++) {
        response.write(`data:${index}\n\n`)
        // So that they arrive in many chunks.
        await new Promise(resolve => { setTimeout(resolve, 2) })
      }
      request.on('close', () => response.end())
    })
    const { chat } = await serve(t, FAST)
    await visit(t, browser, `${chat}?server=${other}`, async page => {
      const { start, reconnect, lines } = parts(page)
      await reconnect.check()
      await start.click()
      await lines.filter({ hasText: /^399/ }).waitFor()
      t.equal(await lines.count(), 300)
      await page.getByText('Showing the last 300 rows; earlier rows removed: 101').waitFor()
    })
  })

  test('can be used with the keyboard alone', async t => {
    const { app, chat } = await serve(t, SLOW)
    await visit(t, browser, chat, async page => {
      const { name, start, stop, reconnect, status, lines, fetch, fetchStatus, abort, chunks } = parts(page)
      const log = page.getByRole('log', { name: 'Lines' })
      await name.waitFor()
      await page.keyboard.press('Tab')
      t.ok(await matches(page.getByRole('link', { name: 'fastify-sse-emitter' }), ':focus-visible'), 'first the link to the front page')
      await page.keyboard.press('Tab')
      t.ok(await matches(name, ':focus-visible'), 'then the name')
      await page.keyboard.press('Control+A')
      await page.keyboard.type('Ada')
      await page.keyboard.press('Shift+Enter')
      await page.keyboard.type('Byron')
      await page.keyboard.press('Enter')
      await lines.filter({ hasText: 'Ada\nByron: the next index:1' }).waitFor()
      for (const [part, what] of [[start, 'start'], [stop, 'stop'], [reconnect, 'the switch'], [log, 'the lines'], [fetch, 'fetch'], [abort, 'abort'], [chunks, 'the chunks']] as const) {
        await page.keyboard.press('Tab')
        t.ok(await matches(part, ':focus-visible'), `then ${what}`)
        if (part === stop) {
          await page.keyboard.press('Enter')
          await shows(status, 'You stopped the stream.')
        } else if (part === reconnect) {
          await page.keyboard.press('Space')
          t.ok(await reconnect.isChecked())
        } else if (part === fetch) {
          await page.keyboard.press('Space')
          await shows(fetchStatus, 'Open')
        } else if (part === abort) {
          await page.keyboard.press('Space')
          await shows(fetchStatus, 'You stopped the stream.')
        }
      }
      await until(() => app.sse.size === 0, 'the server has closed the stream')
    })
  })

  test('fits a phone in light and dark colors, and does not animate with reduced motion', async t => {
    const { chat } = await serve(t, FAST)
    const papers: string[] = []
    for (const colorScheme of ['light', 'dark'] as const) {
      await visit(t, browser, `${chat}?name=${'W'.repeat(190)}`, async page => {
        const { start, status, fetch, fetchStatus, lines } = parts(page)
        await start.click()
        await fetch.click()
        await shows(status, 'The tenth line arrived')
        await shows(fetchStatus, 'The server ended the stream.')
        t.equal(await page.evaluate('document.documentElement.scrollWidth'), 360, 'nothing is wider than the viewport')
        t.equal(await lines.last().evaluate(row => row.getAnimations().length), 0)
        papers.push(await page.evaluate('getComputedStyle(document.body).backgroundColor'))
      }, { viewport: { width: 360, height: 640 }, colorScheme, reducedMotion: 'reduce' })
    }
    t.not(papers[0], papers[1], 'light and dark differ')
  })

  test('the browser shows the lines of the stream as they arrive, without the page', async t => {
    const { app, origin } = await serve(t, SLOW)
    await visit(t, browser, `${origin}/learn/sseChat?name=x`, async page => {
      const pageShows = (line: string) => async () => (await page.evaluate<string>('document.body?.innerText ?? ""')).includes(line)
      for (const line of ['data:start\n', 'data:x: the next index:1\n', 'data:x: the next index:3\n']) {
        await until(pageShows(line), `the page shows ${line}`)
        t.equal(app.sse.size, 1, 'while the stream is open')
      }
    })
  })
})

/** Receives a whole stream in both panels. */
function receiveInBoth (t: Test, name: string) {
  return async (page: Page) => {
    const { start, status, lines, fetch, fetchStatus } = parts(page)
    await start.click()
    await fetch.click()
    await shows(status, 'The tenth line arrived')
    await shows(fetchStatus, 'The server ended the stream.')
    t.strictSame(await texts(lines), ['Connection 1', ...allLines(name), 'closed by the page'])
    t.strictSame((await wire(page)).decoded, allLines(name).map(text => `message ${text}`))
  }
}
