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
import { browserSuite, visit, type VisitOptions } from '../fixtures/browser.ts'
import { until } from '../fixtures/until.ts'
import { decode } from '../fixtures/client.ts'
import { demo } from '../fixtures/demo.ts'

const STATIC = fileURLToPath(new URL('../../static', import.meta.url))
/** What Chromium says, and no page can keep it from saying, of an answer with an error, and of no answer. */
const FAILED = /^Failed to load resource: /

interface Asked { url: string, lastEventId: string | string[] | undefined }

/** The streams that were asked for, and with which ids. */
function heard (app: FastifyInstance): Asked[] {
  const asked: Asked[] = []
  app.server.on('request', ({ url = '', method, headers }) => {
    if (method === 'GET' && headers.accept === 'text/event-stream') asked.push({ url, lastEventId: headers['last-event-id'] })
  })
  return asked
}

/** The page and the channels alone, with other options than the demo's. */
async function serve (t: Test, options: SsePluginOptions = {}, port = 0): Promise<{ app: FastifyInstance, page: string }> {
  const { app } = await build(t, options)
  app.register(files, { root: STATIC })
  app.register(eventStreamParser)
  app.register(channels, { token: '' })
  return { app, page: `${await app.listen({ port, host: '127.0.0.1' })}/inspector.html` }
}

/** The page as a person finds their way in it. */
function parts (page: Page) {
  const stream = page.getByRole('region', { name: 'Stream' })
  const publish = page.getByRole('region', { name: 'Publish' })
  const chunks = stream.getByRole('region', { name: 'Chunks' })
  const figure = (name: string): Locator => stream.getByRole('term').filter({ hasText: name }).locator('xpath=following-sibling::dd')
  return {
    path: page.getByRole('textbox', { name: 'Path' }),
    examples: page.getByRole('list', { name: 'Connect to' }).getByRole('button'),
    connect: stream.getByRole('button', { name: 'Connect' }),
    cut: stream.getByRole('button', { name: 'Cut' }),
    close: stream.getByRole('button', { name: 'Close' }),
    status: stream.getByRole('status'),
    figure,
    chunks,
    /** Where connections begin and end. */
    stations: chunks.locator('.connection, .end').locator('.text'),
    events: chunks.locator('.event'),
    channel: publish.getByRole('textbox', { name: 'Channel' }),
    type: publish.getByRole('textbox', { name: 'Event type' }),
    data: publish.getByRole('textbox', { name: 'Data' }),
    token: publish.getByLabel('Token'),
    publish: publish.getByRole('button', { name: 'Publish' }),
    answer: publish.getByRole('status')
  }
}

const says = (status: Locator, text: string | RegExp): Promise<void> => status.filter({ hasText: text }).waitFor()

/** Publishes by the page. @returns the id that the server has answered */
async function publish (page: Page, data: string, type = ''): Promise<string> {
  const { data: dataField, type: typeField, publish, answer } = parts(page)
  const before = await answer.innerText()
  await dataField.fill(data)
  await typeField.fill(type)
  await publish.click()
  await until(async () => /^201 Created/.test(await answer.innerText()) && await answer.innerText() !== before, 'it is published')
  return /\S+$/.exec(await answer.innerText())![0]
}

/** Follows the channel of a page that has just been opened. */
async function follow (page: Page): Promise<void> {
  await parts(page).connect.click()
  await says(parts(page).status, 'Open')
  await parts(page).events.filter({ hasText: 'sse-ready' }).waitFor()
}

/** All that has come, as the page shows it. */
async function wire (page: Page): Promise<{ raw: string, decoded: string[] }> {
  const { chunks } = parts(page)
  return {
    raw: (await chunks.locator('pre').allTextContents()).join(''),
    decoded: await chunks.locator('.items > li').allTextContents()
  }
}

/** What a parser that is not ours makes of the same bytes. */
function expected (raw: string): string[] {
  return decode(raw).events.map(({ event = 'message', id, data }) => `${event} id ${id} ${data}`)
}

const matches = (part: Locator, selector: string): Promise<boolean> => part.evaluate((element, selector) => element.matches(selector), selector)

browserSuite(t, 'the inspector', async (t, browser) => {
  t.jobs = 2
  /** Opens the page, and waits until it can be used. */
  const open = async (t: Test, url: URL | string, look: (page: Page) => Promise<void>, options: VisitOptions = {}): Promise<void> => {
    await visit(t, browser, url, async page => {
      await parts(page).publish.and(page.locator(':enabled')).waitFor()
      await look(page)
    }, options)
  }
  const test = (sentence: string, body: (t: Test) => Promise<void>) => t.test(sentence, { buffered: true }, body)

  test('shows what it has published on the wire, beside what was decoded', async t => {
    const { app, url } = await demo(t)
    await open(t, new URL('inspector.html', url), async page => {
      const { status, events, figure } = parts(page)
      await says(status, 'Not connected.')
      await follow(page)
      const ids = [
        await publish(page, 'hello'),
        await publish(page, 'Zoë 😀\n\n{"a":\t1}', 'greeting'),
        await publish(page, '<img src=x onerror=alert(1)>'),
        await publish(page, '')
      ]
      await until(async () => await events.count() === 5, 'all have come')
      const { raw, decoded } = await wire(page)
      t.strictSame(decoded, expected(raw))
      t.strictSame(decoded.slice(1), [
        `message id ${ids[0]} hello`,
        `greeting id ${ids[1]} Zoë 😀\n\n{"a":\t1}`,
        `message id ${ids[2]} <img src=x onerror=alert(1)>`,
        `message id ${ids[3]} `
      ])
      t.equal(await page.locator('main img').count(), 0, 'no element was made')
      t.equal(await page.locator('.mark[data-mark=TAB]').count(), 1, 'what cannot be seen is made visible')
      const { length } = await page.locator('.chunk').all()
      t.strictSame(await Promise.all(['Response', 'Connections', 'Chunks', 'Bytes', 'Events', 'Last event ID'].map(async name => await figure(name).innerText())),
        ['200 OK', '1', String(length), String(Buffer.byteLength(raw)), '5', ids[3]])
      for (const text of await page.locator('.when').allTextContents()) t.match(text, /^\d\d:\d\d:\d\d\.\d{3} \d+ bytes$/)
    })
    await until(() => app.sse.size === 0, 'nothing is followed any more')
  })

  test('is cut, comes back after the last id, and gets what was published meanwhile, once', async t => {
    const { app, url } = await demo(t)
    const asked = heard(app)
    await open(t, new URL('inspector.html', url), async page => {
      const { cut, status, stations, events, figure } = parts(page)
      t.equal(await cut.getAttribute('aria-disabled'), 'true', 'there is nothing to cut yet')
      await cut.click({ force: true })
      await follow(page)
      const before = await publish(page, 'before')
      await events.filter({ hasText: 'before' }).waitFor()
      await cut.click()
      await says(status, `You cut the connection. The page reconnects in 5 s after the ID ${before}.`)
      t.ok(await matches(cut, ':focus'), 'the focus is where it was')
      await cut.press('Enter')
      await until(() => app.sse.size === 0, 'the server has noticed')
      const ids = [await publish(page, 'one'), await publish(page, 'two')]
      await says(status, 'Reconnected.')
      await events.filter({ hasText: 'two' }).waitFor()
      t.match(await stations.allTextContents(), ['Connection 1', 'cut by you', new RegExp(`^Connection 2, after \\d+\\.\\d s, Last-Event-ID: ${before.replace('.', '\\.')}$`)])
      const { raw, decoded } = await wire(page)
      t.strictSame(decoded, expected(raw))
      t.strictSame(decoded.filter(text => !text.startsWith('sse-')), [`message id ${before} before`, `message id ${ids[0]} one`, `message id ${ids[1]} two`])
      t.equal(await figure('Connections').innerText(), '2')
      t.strictSame(asked, [{ url: '/channels/news', lastEventId: undefined }, { url: '/channels/news', lastEventId: before }])
    })
  })

  test('closes for good, also while it waits to come back', async t => {
    const { app, url } = await demo(t)
    const asked = heard(app)
    await open(t, new URL('inspector.html', url), async page => {
      const { close, cut, connect, status, stations } = parts(page)
      t.equal(await close.getAttribute('aria-disabled'), 'true', 'there is nothing to close yet')
      await page.clock.install()
      await close.click({ force: true })
      await says(status, 'Not connected.')
      await follow(page)
      await close.click()
      await says(status, 'You stopped the stream.')
      t.strictSame(await stations.allTextContents(), ['Connection 1', 'stopped by you'])
      await until(() => app.sse.size === 0, 'the server has noticed')
      await follow(page)
      t.strictSame(await stations.allTextContents(), ['Connection 1'], 'begun anew')
      await cut.click()
      await says(status, 'You cut the connection.')
      await close.click()
      await says(status, 'You stopped the stream.')
      await page.clock.fastForward(60_000)
      await connect.click()
      await until(() => app.sse.size === 1, 'it comes back when it is told to')
      t.equal(asked.length, 3, 'and not before')
    }, { fresh: true })
  })

  test('follows each of its examples', async t => {
    const { app, url } = await demo(t)
    const asked = heard(app)
    await app.sse.channel('demo:news').publish('old')
    const expected = [
      ['/channels/news', 'sse-ready'], ['/channels/news?from=start', 'old'], ['/learn/sseChat?name=Thread-2', 'Thread-2: the next index:10'],
      ['/learn/llmChat?q=What+is+SSE%3F', 'done'], ['/market/stream?symbol=ALVX', 'candle']
    ] as const
    await open(t, new URL('inspector.html', url), async page => {
      const { examples, events, path } = parts(page)
      for (const [index, [what, event]] of expected.entries()) {
        await examples.nth(index).click()
        t.equal(await path.inputValue(), what)
        await events.filter({ hasText: event }).first().waitFor()
        await page.getByText(`curl -N '${url.origin}${what}'`).waitFor()
      }
      t.equal(await examples.count(), expected.length)
      // The page reconnects to a stream that ends.
      t.strictSame([...new Set(asked.map(({ url }) => url))], expected.map(([what]) => what))
    })
  })

  test('asks again for a stream that has ended, and names no id where it has none', async t => {
    const { app, url } = await demo(t)
    const asked = heard(app)
    await open(t, new URL(`inspector.html?${new URLSearchParams({ path: '/learn/sseChat?name=Ada' })}`, url), async page => {
      const { path, connect, status, stations, close, figure } = parts(page)
      await page.clock.install()
      await connect.click()
      await says(status, 'The stream ended, which clients treat as a failure. The page reconnects in 3 s without an event ID.')
      t.equal(await path.inputValue(), '/learn/sseChat?name=Ada', 'the address fills the path in')
      await page.clock.fastForward(3_000)
      await stations.filter({ hasText: /^Connection 2, after \d+\.\d s, without Last-Event-ID$/ }).waitFor()
      await says(status, 'The stream ended')
      await close.click()
      t.equal(await figure('Events').innerText(), '22')
    }, { fresh: true })
    t.strictSame(asked, [{ url: '/learn/sseChat?name=Ada', lastEventId: undefined }, { url: '/learn/sseChat?name=Ada', lastEventId: undefined }])
  })

  test('waits as long as the server has asked for, and counts heartbeats', async t => {
    const { app, page } = await serve(t, { heartbeat: 150, retry: 700 })
    const asked = heard(app)
    await open(t, page, async page => {
      const { figure, status, stations, chunks } = parts(page)
      await follow(page)
      t.equal(await figure('Retry').innerText(), '700 ms')
      await chunks.locator('.aside').filter({ hasText: 'comment' }).nth(1).waitFor()
      await until(async () => Number(await figure('Heartbeats').innerText()) >= 2, 'heartbeats are counted')
      const id = await figure('Last event ID').innerText()
      app.sse.close()
      await stations.filter({ hasText: 'Connection 2' }).waitFor()
      await says(status, 'Open')
      t.match(await stations.allTextContents(), ['Connection 1', 'the stream ended', `, Last-Event-ID: ${id}`])
      await until(() => asked.length === 2, 'it has come back')
      t.equal(asked[1]!.lastEventId, id)
    })
  })

  test('keeps asking a server that is not there, and goes on when it is', async t => {
    const { app, page } = await serve(t)
    await open(t, page, async page => {
      const { status, stations, answer, data, events } = parts(page)
      await follow(page)
      await app.close()
      await says(status, 'No response: ')
      await data.press('Enter')
      await says(answer, 'No response')
      const again = await serve(t, {}, Number(new URL(page.url()).port))
      await stations.filter({ hasText: 'Connection 2' }).waitFor()
      await events.filter({ hasText: 'sse-reset' }).waitFor()
      await until(() => again.app.sse.size === 1, 'the new server is followed')
    }, { expected: FAILED })
  })

  test('says of what is refused, and of what is no stream, what it is, and asks no more', async t => {
    const { url } = await demo(t)
    await open(t, new URL('inspector.html', url), async page => {
      const { path, status, chunks, figure } = parts(page)
      for (const [what, sentence, answer] of [
        ['/market/stream?symbol=NONE', 'The server responded with 404 Not Found: Unknown symbol NONE; /market/symbols lists all symbols (UNKNOWN_SYMBOL)', '404 Not Found'],
        ['/channels/News', 'The server responded with 400 Bad Request: params/name must match pattern', '400 Bad Request'],
        ['icon.svg', 'This is not an event stream: image/svg+xml', '200 OK']
      ] as const) {
        await path.fill(what)
        await path.press('Enter')
        await says(status, sentence)
        await says(status, 'Closed')
        t.equal(await figure('Response').innerText(), answer)
        t.equal((await chunks.locator('pre').allTextContents()).join(''), await (await fetch(new URL(what, url))).text(), 'the answer as it came')
      }
    }, { expected: FAILED })
  })

  test('asks nobody but its own server', async t => {
    const { app, url } = await demo(t)
    const asked = heard(app)
    await open(t, new URL('inspector.html', url), async page => {
      const { path, status } = parts(page)
      page.on('request', request => { if (request.resourceType() === 'fetch') t.fail(`asked for ${request.url()}`) })
      for (const wrong of ['//elsewhere.test/x', '/\\elsewhere.test/x', 'http://127.0.0.1:1/', 'javascript:alert(1)', 'http://']) {
        await path.fill(wrong)
        await path.press('Enter')
        await page.getByRole('alert').filter({ hasText: 'This page only follows streams of its own server' }).waitFor()
        await says(status, 'Not connected.')
        t.equal(await page.locator('#command').innerText(), '–')
        await path.fill('/channels/news')
      }
    })
    t.strictSame(asked, [])
  })

  test('says why something was not published, and publishes with the token', async t => {
    const { app, url } = await demo(t, { PUBLISH_TOKEN: 'p@ss!word' })
    await open(t, new URL('inspector.html', url), async page => {
      const { path, channel, type, token, publish: button, answer, data } = parts(page)
      await path.fill('/channels/other')
      t.equal(await channel.inputValue(), 'other', 'the channel that is followed is the one to publish to')
      await button.click()
      await says(answer, '401 Unauthorized Publishing requires the bearer token')
      await token.fill('p@ss!word')
      await type.fill('sse-x')
      await data.press('Enter')
      await says(answer, /^400 Bad Request .*\(SSE_ERR_EVENT\)/)
      t.match(await publish(page, 'hello'), /-\d+$/)
      await channel.fill('Other')
      const before = await answer.innerText()
      await button.click()
      t.ok(await matches(channel, ':invalid'))
      t.equal(await answer.innerText(), before, 'such a name is not sent')
    }, { expected: FAILED })
    t.strictSame((await app.sse.channel('demo:other').replay({})).entries.map(({ data }) => data), ['hello'])
  })

  test('keeps the last rows of a stream without end, and says how many it has dropped', async t => {
    const { app, url } = await demo(t)
    await open(t, new URL('inspector.html', url), async page => {
      const { chunks } = parts(page)
      await follow(page)
      const trimmed = page.getByText(/^Showing the last 300 rows; earlier rows removed: [1-9]/)
      for (let number = 0; !await trimmed.isVisible();) {
        // A turn for each, so that they come in many chunks.
        for (const end = number + 50; number < end; number++) {
          await app.sse.channel('demo:news').publish(String(number))
          await sleep(5)
        }
      }
      t.equal(await chunks.locator('.chunks > li').count(), 300)
    })
  })

  test('can be used by keyboard alone', async t => {
    const { url } = await demo(t)
    await open(t, new URL('inspector.html', url), async page => {
      const { path, examples, connect, cut, close, chunks, channel, type, data, token, publish, status, answer, events } = parts(page)
      const order: Array<[Locator, string]> = [[page.getByRole('link'), 'the way home'], [path, 'the path']]
      for (const example of await examples.all()) order.push([example, 'an example'])
      order.push([connect, 'connect'], [cut, 'cut'], [close, 'close'], [chunks, 'the chunks'], [channel, 'the channel'], [type, 'the type'], [data, 'the data'], [token, 'the token'], [publish, 'publish'])
      for (const [part, what] of order) {
        await page.keyboard.press('Tab')
        t.ok(await matches(part, ':focus-visible'), what)
        if (part === connect) {
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
          await says(answer, '201 Created')
          await events.filter({ hasText: 'greeting' }).filter({ hasText: 'two\nlines' }).waitFor()
        }
      }
      await close.focus()
      await page.keyboard.press('Space')
      await says(status, 'You stopped the stream.')
    })
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`has nothing that axe finds fault with, on a telephone, in ${colorScheme}`, async t => {
      const { url } = await demo(t)
      await open(t, new URL('inspector.html', url), async page => {
        const { examples, cut, stations, close, path, status, answer, type, data } = parts(page)
        const audit = async (what: string): Promise<void> => {
          t.strictSame(await violations(page), [], what)
          t.equal(await page.evaluate('document.documentElement.scrollWidth'), 390, 'nothing is wider than the screen')
        }
        await page.clock.install()
        await says(status, 'Not connected.')
        await audit('at the beginning')
        await follow(page)
        await publish(page, 'W'.repeat(200), 'W'.repeat(100))
        await cut.click()
        await audit('while it is cut')
        await page.clock.fastForward(5_000)
        await stations.filter({ hasText: 'Connection 2' }).waitFor()
        await audit('when it has come back')
        await examples.last().click()
        await page.getByText('heartbeat').or(page.locator('.event').filter({ hasText: 'quotes' })).first().waitFor()
        await close.click()
        await type.fill('sse-x')
        await data.press('Enter')
        await says(answer, '400')
        await path.fill('/channels/News')
        await path.press('Enter')
        await says(status, 'Closed')
        await says(status, 'responded with')
        await audit('after errors')
      }, { colorScheme, viewport: { width: 390, height: 844 }, reducedMotion: 'reduce', expected: FAILED, fresh: true })
    })
  }
})
