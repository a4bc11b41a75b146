import { fileURLToPath } from 'node:url'
import files from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import type { SsePluginOptions } from 'fastify-sse-emitter'
import type { Locator, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { eventStreamParser } from '../../server/event-stream-parser.ts'
import { channels } from '../../server/routes/channels.ts'
import { build, sleep } from '../fixtures/app.ts'
import { violations } from '../fixtures/axe.ts'
import { browserSuite, FAILED_REQUEST, visit, type VisitOptions } from '../fixtures/browser.ts'
import { decode } from '../fixtures/client.ts'
import { demo } from '../fixtures/demo.ts'
import { until } from '../fixtures/until.ts'

const STATIC = fileURLToPath(new URL('../../static', import.meta.url))

interface StreamRequest { url: string, lastEventId: string | string[] | undefined }

/** Records the requests for streams from now on. */
function recordRequests (app: FastifyInstance): StreamRequest[] {
  const requests: StreamRequest[] = []
  app.server.on('request', ({ url = '', method, headers }) => {
    if (method === 'GET' && headers.accept === 'text/event-stream') requests.push({ url, lastEventId: headers['last-event-id'] })
  })
  return requests
}

/** Starts a server with this page and the channels only, and with other options than the demo. */
async function serve (t: Test, options: SsePluginOptions = {}, port = 0): Promise<{ app: FastifyInstance, page: string }> {
  const { app } = await build(t, options)
  app.register(files, { root: STATIC })
  app.register(eventStreamParser)
  app.register(channels, { token: '' })
  return { app, page: `${await app.listen({ port, host: '127.0.0.1' })}/inspector.html` }
}

/** The elements of the page by role and name, as assistive technology finds them. */
function parts (page: Page) {
  const stream = page.getByRole('region', { name: 'Stream' })
  const publish = page.getByRole('region', { name: 'Publish' })
  const chunks = stream.getByRole('region', { name: 'Chunks' })
  const figure = (name: string): Locator => stream.getByRole('term').filter({ hasText: name }).locator('xpath=following-sibling::dd')
  return {
    path: page.getByRole('textbox', { name: 'Path' }),
    examples: page.getByRole('list', { name: 'Connect to' }).getByRole('button'),
    connectButton: stream.getByRole('button', { name: 'Connect' }),
    cut: stream.getByRole('button', { name: 'Cut' }),
    close: stream.getByRole('button', { name: 'Close' }),
    status: stream.getByRole('status'),
    figure,
    chunks,
    /** The rows at which connections begin and end. */
    connections: chunks.locator('.connection, .end').locator('.text'),
    events: chunks.locator('.event'),
    channel: publish.getByRole('textbox', { name: 'Channel' }),
    type: publish.getByRole('textbox', { name: 'Event type' }),
    data: publish.getByRole('textbox', { name: 'Data' }),
    token: publish.getByLabel('Token'),
    publish: publish.getByRole('button', { name: 'Publish' }),
    result: publish.getByRole('status')
  }
}

const shows = (status: Locator, text: string | RegExp): Promise<void> => status.filter({ hasText: text }).waitFor()

/** Publishes an event in the page. @returns the id from the response */
async function publish (page: Page, data: string, type = ''): Promise<string> {
  const { data: dataField, type: typeField, publish, result } = parts(page)
  const before = await result.innerText()
  await dataField.fill(data)
  await typeField.fill(type)
  await publish.click()
  await until(async () => /^201 Created/.test(await result.innerText()) && await result.innerText() !== before, 'the event is published')
  return /\S+$/.exec(await result.innerText())![0]
}

/** Connects to the channel that is in the path field when the page opens. */
async function connect (page: Page): Promise<void> {
  await parts(page).connectButton.click()
  await shows(parts(page).status, 'Open')
  await parts(page).events.filter({ hasText: 'sse-ready' }).waitFor()
}

/** Returns the text of the stream and the decoded events, as the page shows them. */
async function wire (page: Page): Promise<{ raw: string, decoded: string[] }> {
  const { chunks } = parts(page)
  return {
    raw: (await chunks.locator('pre').allTextContents()).join(''),
    decoded: await chunks.locator('.items > li').allTextContents()
  }
}

/** Decodes the stream with an independent parser. */
function expected (raw: string): string[] {
  return decode(raw).events.map(({ event = 'message', id, data }) => `${event} id ${id} ${data}`)
}

const matches = (part: Locator, selector: string): Promise<boolean> => part.evaluate((element, selector) => element.matches(selector), selector)

browserSuite(t, 'the inspector', async (t, browser) => {
  t.jobs = 2
  /** Opens the page and waits until its script runs. */
  const open = async (t: Test, url: URL | string, use: (page: Page) => Promise<void>, options: VisitOptions = {}): Promise<void> => {
    await visit(t, browser, url, async page => {
      await parts(page).publish.and(page.locator(':enabled')).waitFor()
      await use(page)
    }, options)
  }
  const test = (name: string, body: (t: Test) => Promise<void>) => t.test(name, { buffered: true }, body)

  test('shows published events as they were sent and as they are decoded', async t => {
    const { app, url } = await demo(t)
    await open(t, new URL('inspector.html', url), async page => {
      const { status, events, figure } = parts(page)
      await shows(status, 'Not connected.')
      await connect(page)
      const ids = [
        await publish(page, 'hello'),
        await publish(page, 'Zoë 😀\n\n{"a":\t1}', 'greeting'),
        await publish(page, '<img src=x onerror=alert(1)>'),
        await publish(page, '')
      ]
      await until(async () => await events.count() === 5, 'all events have been received')
      const { raw, decoded } = await wire(page)
      t.strictSame(decoded, expected(raw))
      t.strictSame(decoded.slice(1), [
        `message id ${ids[0]} hello`,
        `greeting id ${ids[1]} Zoë 😀\n\n{"a":\t1}`,
        `message id ${ids[2]} <img src=x onerror=alert(1)>`,
        `message id ${ids[3]} `
      ])
      t.equal(await page.locator('main img').count(), 0, 'no element was created')
      t.equal(await page.locator('.mark[data-mark=TAB]').count(), 1, 'invisible characters are marked')
      const { length } = await page.locator('.chunk').all()
      t.strictSame(await Promise.all(['Response', 'Connections', 'Chunks', 'Bytes', 'Events', 'Last event ID'].map(async name => await figure(name).innerText())),
        ['200 OK', '1', String(length), String(Buffer.byteLength(raw)), '5', ids[3]])
      for (const text of await page.locator('.when').allTextContents()) t.match(text, /^\d\d:\d\d:\d\d\.\d{3} \d+ bytes$/)
    })
    await until(() => app.sse.size === 0, 'no stream is left')
  })

  test('after the connection is cut, reconnects with the last event id and receives missed events once', async t => {
    const { app, url } = await demo(t)
    const requests = recordRequests(app)
    await open(t, new URL('inspector.html', url), async page => {
      const { cut, status, connections, events, figure } = parts(page)
      t.equal(await cut.getAttribute('aria-disabled'), 'true', 'Cut is disabled at first')
      await cut.click({ force: true })
      await connect(page)
      const before = await publish(page, 'before')
      await events.filter({ hasText: 'before' }).waitFor()
      await cut.click()
      await shows(status, `You cut the connection. The page reconnects in 5 s after the ID ${before}.`)
      t.ok(await matches(cut, ':focus'), 'the focus has not moved')
      await cut.press('Enter')
      await until(() => app.sse.size === 0, 'the server has closed the stream')
      const ids = [await publish(page, 'one'), await publish(page, 'two')]
      await shows(status, 'Reconnected.')
      await events.filter({ hasText: 'two' }).waitFor()
      t.match(await connections.allTextContents(), ['Connection 1', 'cut by you', new RegExp(`^Connection 2, after \\d+\\.\\d s, Last-Event-ID: ${before.replace('.', '\\.')}$`)])
      const { raw, decoded } = await wire(page)
      t.strictSame(decoded, expected(raw))
      t.strictSame(decoded.filter(text => !text.startsWith('sse-')), [`message id ${before} before`, `message id ${ids[0]} one`, `message id ${ids[1]} two`])
      t.equal(await figure('Connections').innerText(), '2')
      t.strictSame(requests, [{ url: '/channels/news', lastEventId: undefined }, { url: '/channels/news', lastEventId: before }])
    })
  })

  test('Close ends the stream, also while the page waits to reconnect', async t => {
    const { app, url } = await demo(t)
    const requests = recordRequests(app)
    await open(t, new URL('inspector.html', url), async page => {
      const { close, cut, connectButton, status, connections } = parts(page)
      t.equal(await close.getAttribute('aria-disabled'), 'true', 'Close is disabled at first')
      await page.clock.install()
      await close.click({ force: true })
      await shows(status, 'Not connected.')
      await connect(page)
      await close.click()
      await shows(status, 'You stopped the stream.')
      t.strictSame(await connections.allTextContents(), ['Connection 1', 'stopped by you'])
      await until(() => app.sse.size === 0, 'the server has closed the stream')
      await connect(page)
      t.strictSame(await connections.allTextContents(), ['Connection 1'], 'the list was cleared')
      await cut.click()
      await shows(status, 'You cut the connection.')
      await close.click()
      await shows(status, 'You stopped the stream.')
      await page.clock.fastForward(60_000)
      await connectButton.click()
      await until(() => app.sse.size === 1, 'the page has connected')
      t.equal(requests.length, 3, 'it had not reconnected')
    }, { fresh: true })
  })

  test('connects to each of its examples', async t => {
    const { app, url } = await demo(t)
    const requests = recordRequests(app)
    await app.sse.channel('demo:news').publish('old')
    const expected = [
      ['/channels/news', 'sse-ready'], ['/channels/news?from=start', 'old'], ['/learn/sseChat?name=Thread-2', 'Thread-2: the next index:10'],
      ['/learn/llmChat?q=What+is+SSE%3F', 'done'], ['/market/stream?symbol=ALVX', 'candle']
    ] as const
    await open(t, new URL('inspector.html', url), async page => {
      const { examples, events, path } = parts(page)
      for (const [index, [target, event]] of expected.entries()) {
        await examples.nth(index).click()
        t.equal(await path.inputValue(), target)
        await events.filter({ hasText: event }).first().waitFor()
        await page.getByText(`curl -N '${url.origin}${target}'`).waitFor()
      }
      t.equal(await examples.count(), expected.length)
      // The page reconnects to a stream that ends.
      t.strictSame([...new Set(requests.map(({ url }) => url))], expected.map(([target]) => target))
    })
  })

  test('reconnects to a stream that has ended, without Last-Event-ID if no event had an id', async t => {
    const { app, url } = await demo(t)
    const requests = recordRequests(app)
    await open(t, new URL(`inspector.html?${new URLSearchParams({ path: '/learn/sseChat?name=Ada' })}`, url), async page => {
      const { path, connectButton, status, connections, close, figure } = parts(page)
      await page.clock.install()
      await connectButton.click()
      await shows(status, 'The stream ended, which clients treat as a failure. The page reconnects in 3 s without an event ID.')
      t.equal(await path.inputValue(), '/learn/sseChat?name=Ada', 'the path is taken from the address')
      await page.clock.fastForward(3_000)
      await connections.filter({ hasText: /^Connection 2, after \d+\.\d s, without Last-Event-ID$/ }).waitFor()
      await shows(status, 'The stream ended')
      await close.click()
      t.equal(await figure('Events').innerText(), '22')
    }, { fresh: true })
    t.strictSame(requests, [{ url: '/learn/sseChat?name=Ada', lastEventId: undefined }, { url: '/learn/sseChat?name=Ada', lastEventId: undefined }])
  })

  test('waits for the retry time of the server, and counts heartbeats', async t => {
    const { app, page } = await serve(t, { heartbeat: 150, retry: 700 })
    const requests = recordRequests(app)
    await open(t, page, async page => {
      const { figure, status, connections, chunks } = parts(page)
      await connect(page)
      t.equal(await figure('Retry').innerText(), '700 ms')
      await chunks.locator('.aside').filter({ hasText: 'comment' }).nth(1).waitFor()
      await until(async () => Number(await figure('Heartbeats').innerText()) >= 2, 'heartbeats are counted')
      const id = await figure('Last event ID').innerText()
      app.sse.close()
      await connections.filter({ hasText: 'Connection 2' }).waitFor()
      await shows(status, 'Open')
      t.match(await connections.allTextContents(), ['Connection 1', 'the stream ended', `, Last-Event-ID: ${id}`])
      await until(() => requests.length === 2, 'the page has reconnected')
      t.equal(requests[1]!.lastEventId, id)
    })
  })

  test('keeps reconnecting until the server is back', async t => {
    const { app, page } = await serve(t)
    await open(t, page, async page => {
      const { status, connections, result, data, events } = parts(page)
      await connect(page)
      await app.close()
      await shows(status, 'No response: ')
      await data.press('Enter')
      await shows(result, 'No response')
      const restarted = await serve(t, {}, Number(new URL(page.url()).port))
      await connections.filter({ hasText: 'Connection 2' }).waitFor()
      await events.filter({ hasText: 'sse-reset' }).waitFor()
      await until(() => restarted.app.sse.size === 1, 'the page has connected to the restarted server')
    }, { expected: FAILED_REQUEST })
  })

  test('stops at the end of a stream that ends for good', async t => {
    const { url } = await demo(t, { LLM_PACE_MS: '0' })
    await open(t, new URL('inspector.html', url), async page => {
      const { path, status, events, figure } = parts(page)
      await path.fill('/learn/llmChat?q=hello')
      await path.press('Enter')
      await shows(status, 'The stream has ended for good: the server answered the reconnect with 204.')
      t.equal(await figure('Response').innerText(), '204 No Content')
      t.equal(await figure('Last event ID').innerText(), 'sse-end')
      t.equal(await events.filter({ hasText: 'finishReason' }).count(), 1)
    })
  })

  test('shows error responses and other content types, and does not reconnect', async t => {
    const { url } = await demo(t)
    await open(t, new URL('inspector.html', url), async page => {
      const { path, status, chunks, figure } = parts(page)
      for (const [target, text, response] of [
        ['/market/stream?symbol=NONE', 'The server responded with 404 Not Found: Unknown symbol NONE; /market/symbols lists all symbols (UNKNOWN_SYMBOL)', '404 Not Found'],
        ['/channels/News', 'The server responded with 400 Bad Request: params/name must match pattern', '400 Bad Request'],
        ['icon.svg', 'This is not an event stream: image/svg+xml', '200 OK']
      ] as const) {
        await path.fill(target)
        await path.press('Enter')
        await shows(status, text)
        await shows(status, 'Closed')
        t.equal(await figure('Response').innerText(), response)
        t.equal((await chunks.locator('pre').allTextContents()).join(''), await (await fetch(new URL(target, url))).text(), 'the response body')
      }
    }, { expected: FAILED_REQUEST })
  })

  test('sends requests to its own server only', async t => {
    const { app, url } = await demo(t)
    const requests = recordRequests(app)
    await open(t, new URL('inspector.html', url), async page => {
      const { path, status } = parts(page)
      page.on('request', request => { if (request.resourceType() === 'fetch') t.fail(`requested ${request.url()}`) })
      for (const wrong of ['//elsewhere.test/x', '/\\elsewhere.test/x', 'http://127.0.0.1:1/', 'javascript:alert(1)', 'http://']) {
        await path.fill(wrong)
        await path.press('Enter')
        await page.getByRole('alert').filter({ hasText: 'This page only follows streams of its own server' }).waitFor()
        await shows(status, 'Not connected.')
        t.equal(await page.locator('#command').innerText(), '–')
        await path.fill('/channels/news')
      }
    })
    t.strictSame(requests, [])
  })

  test('shows why an event was not published, and publishes with the token', async t => {
    const { app, url } = await demo(t, { PUBLISH_TOKEN: 'p@ss!word' })
    await open(t, new URL('inspector.html', url), async page => {
      const { path, channel, type, token, publish: button, result, data } = parts(page)
      await path.fill('/channels/other')
      t.equal(await channel.inputValue(), 'other', 'the channel of the path is the one to publish to')
      await button.click()
      await shows(result, '401 Unauthorized Publishing requires the bearer token')
      await token.fill('p@ss!word')
      await type.fill('sse-x')
      await data.press('Enter')
      await shows(result, /^400 Bad Request .*\(SSE_ERR_EVENT\)/)
      t.match(await publish(page, 'hello'), /-\d+$/)
      await channel.fill('Other')
      const before = await result.innerText()
      await button.click()
      t.ok(await matches(channel, ':invalid'))
      t.equal(await result.innerText(), before, 'an invalid name is not sent')
    }, { expected: FAILED_REQUEST })
    t.strictSame((await app.sse.channel('demo:other').replay({})).entries.map(({ data }) => data), ['hello'])
  })

  test('keeps only the last rows of an endless stream, and reports how many were removed', async t => {
    const { app, url } = await demo(t)
    await open(t, new URL('inspector.html', url), async page => {
      const { chunks } = parts(page)
      await connect(page)
      const trimmed = page.getByText(/^Showing the last 300 rows; earlier rows removed: [1-9]/)
      for (let number = 0; !await trimmed.isVisible();) {
        // So that they arrive in many chunks.
        for (const end = number + 50; number < end; number++) {
          await app.sse.channel('demo:news').publish(String(number))
          await sleep(5)
        }
      }
      t.equal(await chunks.locator('.chunks > li').count(), 300)
    })
  })

  test('can be used with the keyboard alone', async t => {
    const { url } = await demo(t)
    await open(t, new URL('inspector.html', url), async page => {
      const { path, examples, connectButton, cut, close, chunks, channel, type, data, token, publish, status, result, events } = parts(page)
      const order: Array<[Locator, string]> = [[page.getByRole('link'), 'the link to the front page'], [path, 'the path']]
      for (const example of await examples.all()) order.push([example, 'an example'])
      order.push([connectButton, 'connect'], [cut, 'cut'], [close, 'close'], [chunks, 'the chunks'], [channel, 'the channel'], [type, 'the type'], [data, 'the data'], [token, 'the token'], [publish, 'publish'])
      for (const [part, what] of order) {
        await page.keyboard.press('Tab')
        t.ok(await matches(part, ':focus-visible'), what)
        if (part === connectButton) {
          await page.keyboard.press('Enter')
          await events.filter({ hasText: 'sse-ready' }).waitFor()
        } else if (part === type) {
          await page.keyboard.type('greeting')
        } else if (part === data) {
          await page.keyboard.press('Control+A')
          await page.keyboard.type('two')
          await page.keyboard.press('Shift+Enter')
          await page.keyboard.type('lines')
          await page.keyboard.press('Enter')
          await shows(result, '201 Created')
          await events.filter({ hasText: 'greeting' }).filter({ hasText: 'two\nlines' }).waitFor()
        }
      }
      await close.focus()
      await page.keyboard.press('Space')
      await shows(status, 'You stopped the stream.')
    })
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`has no accessibility violations on a phone in ${colorScheme} colors`, async t => {
      const { url } = await demo(t)
      await open(t, new URL('inspector.html', url), async page => {
        const { examples, cut, connections, close, path, status, result, type, data } = parts(page)
        const audit = async (what: string): Promise<void> => {
          t.strictSame(await violations(page), [], what)
          t.equal(await page.evaluate('document.documentElement.scrollWidth'), 390, 'nothing is wider than the viewport')
        }
        await page.clock.install()
        await shows(status, 'Not connected.')
        await audit('at the beginning')
        await connect(page)
        await publish(page, 'W'.repeat(200), 'W'.repeat(100))
        await cut.click()
        await audit('while disconnected')
        await page.clock.fastForward(5_000)
        await connections.filter({ hasText: 'Connection 2' }).waitFor()
        await audit('after the reconnect')
        await examples.last().click()
        await page.getByText('heartbeat').or(page.locator('.event').filter({ hasText: 'quotes' })).first().waitFor()
        await close.click()
        await type.fill('sse-x')
        await data.press('Enter')
        await shows(result, '400')
        await path.fill('/channels/News')
        await path.press('Enter')
        await shows(status, 'Closed')
        await shows(status, 'responded with')
        await audit('after errors')
      }, { colorScheme, viewport: { width: 390, height: 844 }, reducedMotion: 'reduce', expected: FAILED_REQUEST, fresh: true })
    })
  }
})
