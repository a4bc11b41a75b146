import { once } from 'node:events'
import net from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Locator, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import type { MarketOptions } from '../../server/routes/market.ts'
import { violations } from '../fixtures/axe.ts'
import { browserSuite, FAILED_REQUEST, visit, type VisitOptions } from '../fixtures/browser.ts'
import { until } from '../fixtures/until.ts'
import { serveMarket } from '../fixtures/market.ts'
import { TcpProxy } from '../fixtures/tcp-proxy.ts'

/** Fewer instruments than the demo has, to save time. */
const MARKET = { symbols: 6, interval: 50, seed: 1 }
/** An interval at which prices don't change during a test. */
const NEVER = 60_000
/** Bytes that Chromium counts for the headers of a response. */
const HEAD = 300

/** The elements of the page by role and name, as assistive technology finds them. */
function parts (page: Page) {
  const side = (name: string) => {
    const region = page.getByRole('region', { name, exact: true })
    return {
      status: region.getByRole('status'),
      figure: async (label: string): Promise<string> => await region.getByRole('term').filter({ hasText: label }).locator('xpath=following-sibling::dd').innerText()
    }
  }
  return {
    interval: page.getByRole('combobox', { name: 'Poll every' }),
    start: page.getByRole('button', { name: 'Start', exact: true }),
    pause: page.getByRole('button', { name: 'Pause', exact: true }),
    verdict: page.locator('#verdict'),
    notice: page.getByRole('alert'),
    polled: side('Polled'),
    pushed: side('Pushed')
  }
}

type SideParts = ReturnType<typeof parts>['polled']

/** Returns a figure as a number: `12,345 (90%)` is 12345. */
async function number ({ figure }: SideParts, label: string): Promise<number> {
  return parseFloat((await figure(label)).replace(/(?<=\d),(?=\d)/g, ''))
}

const shows = (status: Locator, text: string | RegExp): Promise<void> => status.filter({ hasText: text }).waitFor()

/** Starts, and waits until both sides have prices. */
async function start (page: Page): Promise<void> {
  const { start, polled, pushed } = parts(page)
  await start.click()
  await shows(polled.status, 'Live')
  await shows(pushed.status, 'Live')
}

/** Pauses, and waits for the measurements that the browser reports after a response. */
async function pause (page: Page): Promise<void> {
  await parts(page).pause.click()
  await shows(parts(page).polled.status, 'Stopped')
}

interface ReceivedRequest { at: number, url: string, lastEventId: unknown }

/** Records the requests for quotes and for the stream from now on. */
function recordRequests (app: FastifyInstance): { polls: ReceivedRequest[], streams: ReceivedRequest[] } {
  const requests = { polls: [] as ReceivedRequest[], streams: [] as ReceivedRequest[] }
  app.server.on('request', ({ url = '', headers }) => {
    const one = { at: performance.now(), url, lastEventId: headers['last-event-id'] }
    if (url.startsWith('/market/quotes')) requests.polls.push(one)
    if (url.startsWith('/market/stream')) requests.streams.push(one)
  })
  return requests
}

/** Returns a port on which no server listens. */
async function unusedPort (): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  await once(server.close(), 'close')
  return port
}

browserSuite(t, 'the polling page', async (t, browser) => {
  t.jobs = 2
  const test = (name: string, body: (t: Test) => Promise<void>) => t.test(name, { buffered: true }, body)
  /** Opens the page of a new server and waits until its script runs. */
  const open = async (t: Test, use: (page: Page, app: FastifyInstance) => Promise<void>, market: MarketOptions = {}, options: VisitOptions = {}): Promise<void> => {
    const { app, origin } = await serveMarket(t, { ...MARKET, ...market })
    await visit(t, browser, `${origin}/polling.html`, async page => {
      await parts(page).start.and(page.locator(':enabled')).waitFor()
      await use(page, app)
    }, options)
  }

  test('sends no requests before the start, then counts the cost and the age of both sides', async t => {
    await open(t, async (page, app) => {
      const { polled, pushed, verdict } = parts(page)
      const requests = recordRequests(app)
      t.equal(await verdict.innerText(), 'Not connected.')
      t.strictSame(requests, { polls: [], streams: [] })
      await start(page)
      for (const side of [polled, pushed]) {
        for (const label of ['Bytes received', 'Changes seen']) {
          const before = await number(side, label)
          await until(async () => await number(side, label) > before, `${label} has risen`)
        }
      }
      await until(async () => await number(polled, 'Requests') >= 3, 'it has polled several times')
      t.equal(await number(pushed, 'Requests'), 1)
      t.equal(await number(pushed, 'Connections opened'), 1)
      t.ok(await number(polled, 'Connections opened') <= 1, 'polls share a connection')
      await until(async () => await number(polled, 'Changes missed') > 0, 'polling has missed a change')
      t.equal(await pushed.figure('Changes missed'), '0')
      t.match(await verdict.innerText(), /^Polling received [\d,]+ bytes; prices are [\d,]+ ms old on average, and \d+% of the changes were missed\. The stream received [\d,]+ bytes; prices are [\d,]+ ms old on average\.$/)
      t.match(await page.locator('#error').innerText(), /^accurate to \d+\.\d ms$/)
      for (const side of [polled, pushed]) t.match(await side.figure('Bytes per change'), /^\d/)
      await pause(page)
      t.strictSame([requests.polls.length, requests.streams.length], [await number(polled, 'Requests'), 1])
    })
  })

  test('polled prices are older than pushed ones if the interval is long', async t => {
    await open(t, async page => {
      const { polled, pushed, interval } = parts(page)
      await interval.selectOption('5 seconds')
      await start(page)
      await until(async () => await number(polled, 'Maximum age') > 2_500, 'polled prices are old')
      const age = await number(polled, 'Average age')
      t.ok(await number(pushed, 'Average age') < age / 2, `${await pushed.figure('Average age')} and ${age} ms`)
      await page.locator('#ages canvas').first().waitFor()
      const colors = `{
        const canvas = document.querySelector('#ages canvas')
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
        new Set(new Uint32Array(data.buffer)).size
      }`
      await until(async () => await page.evaluate<number>(colors) > 2, 'both curves are drawn')
    })
  })

  test('polls at the selected interval, also if it is changed while polling', async t => {
    await open(t, async (page, app) => {
      const { interval, polled } = parts(page)
      const { polls } = recordRequests(app)
      await interval.selectOption('10 seconds')
      await start(page)
      t.equal(polls.length, 1)
      // So many polls only take place soon if the page does not wait for the first interval to pass.
      await interval.selectOption('250 ms')
      await until(() => polls.length >= 12, 'it polls more often')
      // A poll may arrive late, and the next one early after it.
      t.ok(polls[11]!.at - polls[1]!.at > 9 * 240, 'not more often than selected')
      await interval.selectOption('5 seconds')
      const { length } = polls
      await until(() => polls.slice(length).some(({ at }, index) => at - polls[length + index - 1]!.at > 4_000), 'it polls less often')
      t.ok(polls.length <= length + 2, 'apart from a poll that was already sent')
      await pause(page)
      t.equal(await number(polled, 'Requests'), polls.length)
    })
  })

  test('counts the bytes of each response, without a body for 304', async t => {
    await open(t, async (page, app) => {
      const { polled, interval } = parts(page)
      const statuses: number[] = []
      app.server.on('request', ({ url = '' }, response) => {
        if (url.startsWith('/market/quotes')) response.on('finish', () => { statuses.push(response.statusCode) })
      })
      const { length } = (await app.inject('/market/quotes?symbol=ALVX')).rawPayload
      await interval.selectOption('1 second')
      await start(page)
      await until(async () => statuses.length >= 3 && await number(polled, 'Bytes received') === statuses.length * HEAD + length, 'all bytes are counted')
      t.strictSame(statuses, [200, ...statuses.slice(1).map(() => 304)], 'prices have not changed')
      t.equal(await number(polled, 'Changes seen'), 0)
    }, { interval: NEVER })
  })

  test('does not change while paused, and continues when started again', async t => {
    await open(t, async (page, app) => {
      const { polled, pushed } = parts(page)
      const { polls, streams } = recordRequests(app)
      await start(page)
      await until(async () => await number(pushed, 'Changes seen') > 0, 'changes have been received')
      await pause(page)
      await until(() => app.sse.size === 0, 'the stream is closed')
      const before = polls.length
      const figures = async (): Promise<string[]> => await page.locator('dd').allInnerTexts()
      const shown = await figures()
      const at = await app.inject('/market/statistics')
      await until(async () => (await app.inject('/market/statistics')).body !== at.body, 'the market has changed')
      await page.waitForTimeout(2_500)
      t.strictSame(await figures(), shown)
      t.strictSame([polls.length, streams.length], [before, 1])
      await start(page)
      await until(async () => await number(polled, 'Requests') > before, 'it polls again')
      t.equal(await number(pushed, 'Requests'), 2, 'the counts continue')
      t.equal(streams[1]!.lastEventId, undefined, 'changes during the pause are not replayed')
    })
  })

  test('reports a lost server, reconnects, and replays missed changes to the stream only', async t => {
    const { app, origin } = await serveMarket(t, MARKET)
    const { streams } = recordRequests(app)
    const port = Number(new URL(origin).port)
    const proxy = await TcpProxy.start(t, { port })
    await visit(t, browser, `http://127.0.0.1:${proxy.port}/polling.html`, async page => {
      const { polled, pushed, interval } = parts(page)
      await parts(page).start.and(page.locator(':enabled')).waitFor()
      await interval.selectOption('500 ms')
      await start(page)
      await until(async () => await number(pushed, 'Changes seen') > 0, 'changes have been received')
      const before = await number(polled, 'Connections opened')
      proxy.target = await unusedPort()
      proxy.cut()
      await shows(polled.status, 'No response')
      await shows(pushed.status, 'No response')
      const disconnectedAt = Date.now()
      await until(() => Date.now() > disconnectedAt + 1_500, 'the server has been away for a while')
      proxy.target = port
      await shows(polled.status, 'Live')
      await shows(pushed.status, 'Live')
      t.ok(String(streams.at(-1)!.lastEventId).length > 5)
      await until(async () => await number(polled, 'Connections opened') > before, 'a poll has opened another connection')
      t.ok(await number(pushed, 'Connections opened') >= 2)
      const missed = await number(polled, 'Changes missed')
      await until(async () => await number(polled, 'Changes missed') > missed, 'missed changes are still counted')
      // The maximum of the last minute includes the time without a server.
      t.ok(await number(pushed, 'Maximum age') >= 1_000)
    }, { expected: FAILED_REQUEST })
  })

  test('shows an unknown number of missed changes if the history is too short', async t => {
    const { origin } = await serveMarket(t, { ...MARKET, replay: 5 })
    const port = Number(new URL(origin).port)
    const proxy = await TcpProxy.start(t, { port })
    await visit(t, browser, `http://127.0.0.1:${proxy.port}/polling.html`, async page => {
      const { pushed } = parts(page)
      await parts(page).start.and(page.locator(':enabled')).waitFor()
      await start(page)
      await until(async () => await number(pushed, 'Changes seen') > 0, 'changes have been received')
      t.equal(await pushed.figure('Changes missed'), '0')
      // The page reconnects after a second. By then, the history has lost changes.
      proxy.cut()
      await until(async () => await pushed.figure('Changes missed') === 'unknown', 'the number is unknown')
    }, { expected: FAILED_REQUEST })
  })

  test('reports that the market could not be loaded, and retries', async t => {
    const { app, origin } = await serveMarket(t, MARKET)
    const fail = { times: 1 }
    app.server.prependListener('request', request => {
      if (request.url === '/market/symbols' && fail.times-- > 0) request.url = '/market/nothing'
    })
    await visit(t, browser, `${origin}/polling.html`, async page => {
      const { notice } = parts(page)
      await notice.filter({ hasText: 'The list of instruments could not be loaded; retrying: 404 Not Found' }).waitFor()
      await parts(page).start.and(page.locator(':enabled')).waitFor()
      t.notOk(await notice.isVisible())
      await start(page)
    }, { expected: FAILED_REQUEST })
  })

  test('can be used with the keyboard alone', async t => {
    await open(t, async page => {
      const { interval, start, pause, polled } = parts(page)
      for (const part of [page.getByRole('link'), interval, start]) {
        await page.keyboard.press('Tab')
        t.ok(await part.evaluate(element => element.matches(':focus-visible')))
      }
      await page.keyboard.press('Shift+Tab')
      await page.keyboard.press('Home')
      t.equal(await interval.inputValue(), '250')
      await page.keyboard.press('Tab')
      await page.keyboard.press('Enter')
      await shows(polled.status, 'Live')
      t.ok(await pause.evaluate(element => element.matches(':focus')), 'the focus has not moved')
      await page.keyboard.press('Space')
      await shows(polled.status, 'Stopped')
    })
  })

  test('the average age is a mean over time, and the curve drops at each price', async t => {
    await open(t, async page => {
      const ages = async (look: string): Promise<unknown> => await page.evaluate(`import('/polling-age.js').then(({ Age }) => { const age = new Age(); ${look} })`)
      t.strictSame(await ages('return age.lastMinute(5)'), { curve: [] })
      t.strictSame(await ages('age.add(1000, 900); return age.lastMinute(1000)'), { curve: [[1000, 100], [1000, 100]] })
      // From 100 to 200, then from 50 to 150. A price that is older than the current one is ignored.
      t.strictSame(await ages('age.add(1000, 900); age.add(1050, 800); age.add(1100, 1050); return age.lastMinute(1200)'),
        { curve: [[1000, 100], [1100, 200], [1100, 50], [1200, 150]], mean: 125, max: 200 })
      // Only the last minute is included.
      t.strictSame(await ages('age.add(0, 0); age.add(30_000, 30_000); return age.lastMinute(70_000)'),
        { curve: [[10_000, 10_000], [30_000, 30_000], [30_000, 0], [70_000, 40_000]], mean: 20_000, max: 40_000 })
      t.equal(await ages('for (let at = 0; at < 10_000; at++) age.add(at, at); return age.lastMinute(10_000).curve.length'), 4_000, 'the number of points is limited')
      t.strictSame(await ages('age.add(1, 1); age.clear(); return age.lastMinute(2)'), { curve: [] })
    })
  })

  test('a change is seen or missed, or still undecided', async t => {
    await open(t, async page => {
      const changes = async (take: string): Promise<unknown> => await page.evaluate(`import('/polling-changes.js').then(({ Changes }) => {
        const changes = new Changes()
        const push = (time, a, b = 1) => changes.push({ time, prices: { a, b } })
        const poll = (time, a, b = 1, market = 'm') => changes.poll({ market, time, prices: { a, b } })
        ${take}
        return [changes.pushed, changes.polled, changes.missed]
      })`)
      t.strictSame(await changes("changes.setMarket('m'); push(1, 1); push(2, 2); push(3, 3, 2)"), [3, 0, 0], 'nothing has been polled')
      t.strictSame(await changes("changes.setMarket('m'); push(1, 1); poll(1, 1); push(2, 2); push(3, 3); poll(3, 3)"), [2, 1, 1])
      t.strictSame(await changes("changes.setMarket('m'); push(1, 1); poll(1, 1); push(2, 2); push(3, 1); poll(3, 1)"), [2, 0, 2], 'a price that returns to its old value')
      t.strictSame(await changes("poll(1, 1); changes.setMarket('m'); push(1, 1); push(2, 2); poll(4, 4); push(3, 3); push(4, 4); push(5, 5)"), [4, 1, 2], 'a poll may be ahead of the stream')
      t.strictSame(await changes("changes.setMarket('m'); push(1, 1); push(2, 2); push(3, 3); poll(3, 3)"), [2, 0, 0], 'changes before the first poll are not missed')
      t.strictSame(await changes("changes.setMarket('m'); push(1, 1); poll(1, 1); push(2, 2); poll(2, 7, 7, 'other'); poll(2, 2)"), [1, 1, 0], 'another market is not compared')
      t.strictSame(await changes("changes.setMarket('m'); push(1, 1); poll(1, 1); push(2, 2); changes.setMarket('other'); push(1, 9); push(2, 8)"), [2, 0, 0], 'another market starts again')
      t.strictSame(await changes("changes.setMarket('m'); push(0, 0); poll(0, 0); for (let at = 1; at <= 5_000; at++) push(at, at); poll(5_000, 5_000)"), [5_000, 1, 4_999], 'many changes between two polls')
      t.strictSame(await changes("changes.setMarket('m'); push(0, 0); for (let at = 1; at <= 5_000; at++) poll(at, at); push(5_000, 5_000)"), [1, 4_999, 0], 'many polls between two pushes')
    })
  })

  test('the fastest exchange of the last minute determines the server time', async t => {
    await open(t, async page => {
      const offset = async (samples: string): Promise<[number, number]> => await page.evaluate(`import('/polling-clock.js').then(({ ServerClock }) => {
        const clock = new ServerClock()
        if (clock.now !== undefined) throw new Error('the time must be unknown at first')
        ${samples}
        return [Math.round(clock.now - performance.now()), clock.error]
      })`)
      t.strictSame(await offset('clock.sample(0, 100, 1_050)'), [1_000, 50])
      t.strictSame(await offset('clock.sample(0, 100, 1_080); clock.sample(200, 210, 1_205)'), [1_000, 5])
      t.strictSame(await offset('clock.sample(200, 210, 1_205); clock.sample(300, 400, 9_999)'), [1_000, 5])
      t.strictSame(await offset('clock.sample(0, 10, 1_005); clock.sample(70_000, 70_100, 72_050)'), [2_000, 50], 'clocks drift apart')
    })
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`has no accessibility violations on a phone in ${colorScheme} colors`, async t => {
      await open(t, async page => {
        t.strictSame(await violations(page), [], 'before the start')
        await start(page)
        t.strictSame(await violations(page), [])
        t.equal(await page.evaluate('document.documentElement.scrollWidth'), 390, 'nothing is wider than the viewport')
      }, {}, { colorScheme, viewport: { width: 390, height: 844 } })
    })
  }
})
