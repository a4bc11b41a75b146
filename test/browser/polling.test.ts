import { once } from 'node:events'
import net from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Locator, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import type { MarketOptions } from '../../server/routes/market.ts'
import { violations } from '../fixtures/axe.ts'
import { browserSuite, visit, type VisitOptions } from '../fixtures/browser.ts'
import { until } from '../fixtures/until.ts'
import { serveMarket } from '../fixtures/market.ts'
import { TcpProxy } from '../fixtures/tcp-proxy.ts'

/** What Chromium says, and no page can keep it from saying, where there is no server. */
const FAILED = /^Failed to load resource: /
/** Fewer instruments than the demo has, because the machine has other things to do. */
const MARKET = { symbols: 6, interval: 50, seed: 1 }
/** So that nothing happens by itself. */
const NEVER = 60_000
/** Bytes that a browser counts for the head of an answer. */
const HEAD = 300

/** The page as a person finds their way in it. */
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

/** What a figure says, as a number: of `12,345 (90%)` it is 12345. */
async function number ({ figure }: SideParts, label: string): Promise<number> {
  return parseFloat((await figure(label)).replace(/(?<=\d),(?=\d)/g, ''))
}

const says = (status: Locator, text: string | RegExp): Promise<void> => status.filter({ hasText: text }).waitFor()

/** Begins, and waits until both sides know prices. */
async function start (page: Page): Promise<void> {
  const { start, polled, pushed } = parts(page)
  await start.click()
  await says(polled.status, 'Live')
  await says(pushed.status, 'Live')
}

/** Stops, and waits for what the browser tells later than the page hears of an answer. */
async function pause (page: Page): Promise<void> {
  await parts(page).pause.click()
  await says(parts(page).polled.status, 'Stopped')
}

interface Asked { at: number, url: string, lastEventId: unknown }

/** What the server is asked for from here on; the stream and the polls alone. */
function heard (app: FastifyInstance): { polls: Asked[], streams: Asked[] } {
  const asked = { polls: [] as Asked[], streams: [] as Asked[] }
  app.server.on('request', ({ url = '', headers }) => {
    const one = { at: performance.now(), url, lastEventId: headers['last-event-id'] }
    if (url.startsWith('/market/quotes')) asked.polls.push(one)
    if (url.startsWith('/market/stream')) asked.streams.push(one)
  })
  return asked
}

/** A port on which nobody listens. */
async function deadPort (): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  await once(server.close(), 'close')
  return port
}

browserSuite(t, 'the page about polling', async (t, browser) => {
  t.jobs = 2
  const test = (sentence: string, body: (t: Test) => Promise<void>) => t.test(sentence, { buffered: true }, body)
  /** Opens the page of a server of its own, and waits until it can be used. */
  const open = async (t: Test, look: (page: Page, app: FastifyInstance) => Promise<void>, market: MarketOptions = {}, options: VisitOptions = {}): Promise<void> => {
    const { app, origin } = await serveMarket(t, { ...MARKET, ...market })
    await visit(t, browser, `${origin}/polling.html`, async page => {
      await parts(page).start.and(page.locator(':enabled')).waitFor()
      await look(page, app)
    }, options)
  }

  test('asks for nothing before it is told to, then counts what each side costs and knows', async t => {
    await open(t, async (page, app) => {
      const { polled, pushed, verdict } = parts(page)
      const asked = heard(app)
      t.equal(await verdict.innerText(), 'Not connected.')
      t.strictSame(asked, { polls: [], streams: [] })
      await start(page)
      for (const side of [polled, pushed]) {
        for (const label of ['Bytes received', 'Changes seen']) {
          const before = await number(side, label)
          await until(async () => await number(side, label) > before, `${label} has risen`)
        }
      }
      await until(async () => await number(polled, 'Requests') >= 3, 'it has asked again and again')
      t.equal(await number(pushed, 'Requests'), 1)
      t.equal(await number(pushed, 'Connections opened'), 1)
      t.ok(await number(polled, 'Connections opened') <= 1, 'polls share a connection')
      await until(async () => await number(polled, 'Changes missed') > 0, 'polling has missed something')
      t.equal(await pushed.figure('Changes missed'), '0')
      t.match(await verdict.innerText(), /^Polling received [\d,]+ bytes; prices are [\d,]+ ms old on average, and \d+% of the changes were missed\. The stream received [\d,]+ bytes; prices are [\d,]+ ms old on average\.$/)
      t.match(await page.locator('#error').innerText(), /^accurate to \d+\.\d ms$/)
      for (const side of [polled, pushed]) t.match(await side.figure('Bytes per change'), /^\d/)
      await pause(page)
      t.strictSame([asked.polls.length, asked.streams.length], [await number(polled, 'Requests'), 1])
    })
  })

  test('what is polled is older than what is pushed, the more the less often it asks', async t => {
    await open(t, async page => {
      const { polled, pushed, interval } = parts(page)
      await interval.selectOption('5 seconds')
      await start(page)
      await until(async () => await number(polled, 'Maximum age') > 2_500, 'what was polled has grown old')
      const age = await number(polled, 'Average age')
      t.ok(await number(pushed, 'Average age') < age / 2, `${await pushed.figure('Average age')} and ${age} ms`)
      await page.locator('#ages canvas').first().waitFor()
      const colours = `{
        const canvas = document.querySelector('#ages canvas')
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
        new Set(new Uint32Array(data.buffer)).size
      }`
      await until(async () => await page.evaluate<number>(colours) > 2, 'both are drawn')
    })
  })

  test('asks at the interval that is chosen, also where it is chosen while it runs', async t => {
    await open(t, async (page, app) => {
      const { interval, polled } = parts(page)
      const { polls } = heard(app)
      await interval.selectOption('10 seconds')
      await start(page)
      t.equal(polls.length, 1)
      // More than four in ten seconds only where it does not wait for what it had been told first.
      await interval.selectOption('250 ms')
      await until(() => polls.length >= 12, 'it has asked more often')
      // Each but the first may have been on its way for longer than the last.
      t.ok(polls[11]!.at - polls[1]!.at > 9 * 240, 'and not more than that')
      const { length } = polls
      await interval.selectOption('5 seconds')
      await until(() => polls.slice(length).some(({ at }, index) => at - polls[length + index - 1]!.at > 4_000), 'it has waited longer')
      t.ok(polls.length <= length + 2, 'but for one that was on its way')
      await pause(page)
      t.equal(await number(polled, 'Requests'), polls.length)
    })
  })

  test('counts the bytes of each answer, and none of a body that is not sent again', async t => {
    await open(t, async (page, app) => {
      const { polled, interval } = parts(page)
      const statuses: number[] = []
      app.server.on('request', ({ url = '' }, response) => {
        if (url.startsWith('/market/quotes')) response.on('finish', () => { statuses.push(response.statusCode) })
      })
      const { length } = (await app.inject('/market/quotes?symbol=ALVX')).rawPayload
      await interval.selectOption('1 second')
      await start(page)
      await until(async () => statuses.length >= 3 && await number(polled, 'Bytes received') === statuses.length * HEAD + length, 'all are counted')
      t.strictSame(statuses, [200, ...statuses.slice(1).map(() => 304)], 'nothing has changed')
      t.equal(await number(polled, 'Changes seen'), 0)
    }, { interval: NEVER })
  })

  test('stands still when it is paused, and goes on when it is started', async t => {
    await open(t, async (page, app) => {
      const { polled, pushed } = parts(page)
      const { polls, streams } = heard(app)
      await start(page)
      await until(async () => await number(pushed, 'Changes seen') > 0, 'something has come')
      await pause(page)
      await until(() => app.sse.size === 0, 'the stream is over')
      const before = polls.length
      const figures = async (): Promise<string[]> => await page.locator('dd').allInnerTexts()
      const shown = await figures()
      const at = await app.inject('/market/statistics')
      await until(async () => (await app.inject('/market/statistics')).body !== at.body, 'the market has gone on')
      await page.waitForTimeout(2_500)
      t.strictSame(await figures(), shown)
      t.strictSame([polls.length, streams.length], [before, 1])
      await start(page)
      await until(async () => await number(polled, 'Requests') > before, 'it asks again')
      t.equal(await number(pushed, 'Requests'), 2, 'and what was counted is kept')
      t.equal(streams[1]!.lastEventId, undefined, 'what has come meanwhile is not wanted')
    })
  })

  test('says so when there is no answer, comes back, and the stream is sent what it has missed', async t => {
    const { app, origin } = await serveMarket(t, MARKET)
    const { streams } = heard(app)
    const port = Number(new URL(origin).port)
    const relay = await TcpProxy.start(t, { port })
    await visit(t, browser, `http://127.0.0.1:${relay.port}/polling.html`, async page => {
      const { polled, pushed, interval } = parts(page)
      await parts(page).start.and(page.locator(':enabled')).waitFor()
      await interval.selectOption('500 ms')
      await start(page)
      await until(async () => await number(pushed, 'Changes seen') > 0, 'something has come')
      const before = await number(polled, 'Connections opened')
      relay.target = await deadPort()
      relay.cut()
      await says(polled.status, 'No response')
      await says(pushed.status, 'No response')
      const cutAt = Date.now()
      await until(() => Date.now() > cutAt + 1_500, 'it is missed for a while')
      relay.target = port
      await says(polled.status, 'Live')
      await says(pushed.status, 'Live')
      t.ok(String(streams.at(-1)!.lastEventId).length > 5)
      await until(async () => await number(polled, 'Connections opened') > before, 'a poll had to open another connection, which is counted when it is over')
      t.ok(await number(pushed, 'Connections opened') >= 2)
      const missed = await number(polled, 'Changes missed')
      await until(async () => await number(polled, 'Changes missed') > missed, 'it is counted on')
      // A minute is looked back at, and for more than a second of it nothing was known.
      t.ok(await number(pushed, 'Maximum age') >= 1_000)
    }, { expected: FAILED })
  })

  test('does not say that nothing was missed where the server has not kept it', async t => {
    const { origin } = await serveMarket(t, { ...MARKET, replay: 5 })
    const port = Number(new URL(origin).port)
    const relay = await TcpProxy.start(t, { port })
    await visit(t, browser, `http://127.0.0.1:${relay.port}/polling.html`, async page => {
      const { pushed } = parts(page)
      await parts(page).start.and(page.locator(':enabled')).waitFor()
      await start(page)
      await until(async () => await number(pushed, 'Changes seen') > 0, 'something has come')
      t.equal(await pushed.figure('Changes missed'), '0')
      // It comes back after a second, in which more has happened than is kept.
      relay.cut()
      await until(async () => await pushed.figure('Changes missed') === 'unknown', 'it says so')
    }, { expected: FAILED })
  })

  test('says that the server does not give the market, and asks again', async t => {
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
    }, { expected: FAILED })
  })

  test('can be used by keyboard alone', async t => {
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
      await says(polled.status, 'Live')
      t.ok(await pause.evaluate(element => element.matches(':focus')), 'the focus is where it was')
      await page.keyboard.press('Space')
      await says(polled.status, 'Stopped')
    })
  })

  test('an age is the mean over all moments, and the curve has a tooth for each price', async t => {
    await open(t, async page => {
      const ages = async (look: string): Promise<unknown> => await page.evaluate(`import('/polling-age.js').then(({ Age }) => { const age = new Age(); ${look} })`)
      t.strictSame(await ages('return age.lastMinute(5)'), { curve: [] })
      t.strictSame(await ages('age.add(1000, 900); return age.lastMinute(1000)'), { curve: [[1000, 100], [1000, 100]] })
      // From 100 to 200, then from 50 to 150: a price that is older than what is known says nothing new.
      t.strictSame(await ages('age.add(1000, 900); age.add(1050, 800); age.add(1100, 1050); return age.lastMinute(1200)'),
        { curve: [[1000, 100], [1100, 200], [1100, 50], [1200, 150]], mean: 125, max: 200 })
      // The last minute alone.
      t.strictSame(await ages('age.add(0, 0); age.add(30_000, 30_000); return age.lastMinute(70_000)'),
        { curve: [[10_000, 10_000], [30_000, 30_000], [30_000, 0], [70_000, 40_000]], mean: 20_000, max: 40_000 })
      t.equal(await ages('for (let at = 0; at < 10_000; at++) age.add(at, at); return age.lastMinute(10_000).curve.length'), 4_000, 'and no more than can be kept')
      t.strictSame(await ages('age.add(1, 1); age.clear(); return age.lastMinute(2)'), { curve: [] })
    })
  })

  test('a change is seen, or missed, or not yet either', async t => {
    await open(t, async page => {
      const changes = async (take: string): Promise<unknown> => await page.evaluate(`import('/polling-changes.js').then(({ Changes }) => {
        const changes = new Changes()
        const push = (time, a, b = 1) => changes.push({ time, prices: { a, b } })
        const poll = (time, a, b = 1, market = 'm') => changes.poll({ market, time, prices: { a, b } })
        ${take}
        return [changes.pushed, changes.polled, changes.missed]
      })`)
      t.strictSame(await changes("changes.setMarket('m'); push(1, 1); push(2, 2); push(3, 3, 2)"), [3, 0, 0], 'nobody has polled')
      t.strictSame(await changes("changes.setMarket('m'); push(1, 1); poll(1, 1); push(2, 2); push(3, 3); poll(3, 3)"), [2, 1, 1])
      t.strictSame(await changes("changes.setMarket('m'); push(1, 1); poll(1, 1); push(2, 2); push(3, 1); poll(3, 1)"), [2, 0, 2], 'there and back')
      t.strictSame(await changes("poll(1, 1); changes.setMarket('m'); push(1, 1); push(2, 2); poll(4, 4); push(3, 3); push(4, 4); push(5, 5)"), [4, 1, 2], 'who polls may be ahead')
      t.strictSame(await changes("changes.setMarket('m'); push(1, 1); push(2, 2); push(3, 3); poll(3, 3)"), [2, 0, 0], 'what was before it came, nobody misses')
      t.strictSame(await changes("changes.setMarket('m'); push(1, 1); poll(1, 1); push(2, 2); poll(2, 7, 7, 'other'); poll(2, 2)"), [1, 1, 0], 'another market is not compared')
      t.strictSame(await changes("changes.setMarket('m'); push(1, 1); poll(1, 1); push(2, 2); changes.setMarket('other'); push(1, 9); push(2, 8)"), [2, 0, 0], 'after another, it begins anew')
      t.strictSame(await changes("changes.setMarket('m'); push(0, 0); poll(0, 0); for (let at = 1; at <= 5_000; at++) push(at, at); poll(5_000, 5_000)"), [5_000, 1, 4_999], 'many at a time')
      t.strictSame(await changes("changes.setMarket('m'); push(0, 0); for (let at = 1; at <= 5_000; at++) poll(at, at); push(5_000, 5_000)"), [1, 4_999, 0], 'and who is told of nothing for long')
    })
  })

  test('of all exchanges, the quickest tells the time, for a minute', async t => {
    await open(t, async page => {
      const offset = async (samples: string): Promise<[number, number]> => await page.evaluate(`import('/polling-clock.js').then(({ ServerClock }) => {
        const clock = new ServerClock()
        if (clock.now !== undefined) throw new Error('not known yet')
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
    test(`has nothing that axe finds fault with, on a telephone, in ${colorScheme}`, async t => {
      await open(t, async page => {
        t.strictSame(await violations(page), [], 'before it runs')
        await start(page)
        t.strictSame(await violations(page), [])
        t.equal(await page.evaluate('document.documentElement.scrollWidth'), 390, 'nothing is wider than the screen')
      }, {}, { colorScheme, viewport: { width: 390, height: 844 } })
    })
  }
})
