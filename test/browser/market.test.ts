import { memoryBroker } from 'fastify-sse-emitter'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import type { Candle } from '../../server/market/candles.ts'
import { violations } from '../fixtures/axe.ts'
import { browserSuite, FAILED_REQUEST, visit } from '../fixtures/browser.ts'
import { until } from '../fixtures/until.ts'
import { TcpProxy } from '../fixtures/tcp-proxy.ts'
import { serveMarket } from '../fixtures/market.ts'

/** Fewer instruments than the demo has, to save time. */
const MARKET = { symbols: 12, interval: 50, seed: 1 }

/** The elements of the page by role and name, as assistive technology finds them. */
function parts (page: Page) {
  const button = (name: string) => page.getByRole('button', { name, exact: true })
  return {
    status: page.getByRole('status'),
    notice: page.getByRole('alert'),
    instrument: page.getByRole('combobox', { name: 'Instrument' }),
    last: page.getByRole('combobox', { name: 'Last' }),
    map: page.getByRole('listbox', { name: 'All instruments' }),
    tiles: page.getByRole('option').and(page.locator('.tile')),
    rows: page.locator('#rows tr'),
    pause: button('Pause'),
    resume: button('Resume'),
    cut: button('Cut the connection')
  }
}

/** Waits until the status of the connection contains a text. @returns the status */
async function shows (page: Page, text: string | RegExp): Promise<string> {
  const { status } = parts(page)
  await status.filter({ hasText: text }).waitFor()
  return await status.innerText()
}

async function open (page: Page): Promise<void> {
  await shows(page, 'Prices arrive as they change.')
  await page.getByText('Candles as a table').click()
  await parts(page).rows.first().waitFor()
}

/** Returns the rows of the page's table by time. The first row is the newest candle. */
async function tableRows (page: Page): Promise<Map<string, string[]>> {
  return new Map(await page.evaluate<Array<[time: string, cells: string[]]>>(`Array.from(document.querySelectorAll('#rows tr'), ({ cells: [time, ...cells] }) =>
    [time.querySelector('time').dateTime, cells.map(({ textContent }) => textContent)])`))
}

/** Checks that the page has every complete candle of the server. */
async function hasAllCandles (t: Test, page: Page, origin: string, symbol: string): Promise<void> {
  const { candles } = await (await fetch(`${origin}/market/candles/${symbol}`)).json() as { candles: Candle[] }
  const over = candles.slice(0, -1)
  // The page may not yet have the candle that has just begun.
  await until(async () => (await tableRows(page)).has(new Date(candles.at(-1)!.time).toISOString()), 'the page has the last candle')
  const seen = await tableRows(page)
  const decimals = (number: number): string => number.toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
  const expected = over.slice(1).map(({ time, open, high, low, close, volume }) => [new Date(time).toISOString(), [open, high, low, close].map(decimals).concat(volume.toLocaleString('en', { maximumFractionDigits: 0 }))])
  t.ok(expected.length > 200)
  t.strictSame(expected.map(([time]) => [time, seen.get(time as string)]), expected)
}

/** Returns the number of colors in a chart. */
async function colorsOf (page: Page, id: string): Promise<number> {
  await page.locator(`#${id} canvas`).first().waitFor()
  return await page.evaluate<number>(`{
    const canvas = document.querySelector('#${id} canvas')
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    new Set(new Uint32Array(data.buffer)).size
  }`)
}

const symbolOf = async (page: Page): Promise<string> => await page.locator('#candles-title').innerText()

browserSuite(t, 'the market page', async (t, browser) => {
  t.jobs = 2
  const test = (name: string, body: (t: Test) => Promise<void>) => t.test(name, { buffered: true }, body)
  const { origin } = await serveMarket(t, MARKET)
  const page = `${origin}/market.html`

  test('draws candles, all instruments and statistics, and shows the same as text', async t => {
    await visit(t, browser, page, async page => {
      const { instrument, tiles } = parts(page)
      await open(page)
      t.equal(await instrument.locator('option').count(), MARKET.symbols)
      t.equal(await tiles.count(), MARKET.symbols)
      for (const id of ['candles', 'clients', 'delivered', 'bytes']) await until(async () => await colorsOf(page, id) > 2, `${id} is drawn`)
      await hasAllCandles(t, page, origin, await symbolOf(page))
      await page.locator('#clients-now').filter({ hasText: /^[1-9]/ }).waitFor()
      await page.locator('#delivered-now').filter({ hasText: /\d per second/ }).waitFor()
    })
  })

  test('shows an instrument that is selected in the list or on the map, also after a reload', async t => {
    await visit(t, browser, page, async page => {
      const { instrument, tiles } = parts(page)
      await open(page)
      const [first, second, third] = await page.evaluate<string[]>("Array.from(document.querySelectorAll('.tile'), ({ dataset }) => dataset.symbol)")
      await instrument.selectOption(second!)
      await page.locator('#candles-title', { hasText: second! }).waitFor()
      await hasAllCandles(t, page, origin, second!)
      await tiles.filter({ hasText: first! }).focus()
      await page.keyboard.press('Home')
      await page.keyboard.press('ArrowRight')
      await page.keyboard.press('ArrowRight')
      await page.keyboard.press('Enter')
      await page.locator('#candles-title', { hasText: third! }).waitFor()
      await page.reload({ waitUntil: 'commit' })
      await open(page)
      t.equal(await symbolOf(page), third)
      await hasAllCandles(t, page, origin, third!)
    })
  })

  test('does not change while paused, shows how far it is behind, and misses nothing', async t => {
    await visit(t, browser, page, async page => {
      const { pause, resume } = parts(page)
      await open(page)
      await pause.click()
      await shows(page, /^Paused/)
      const before = await tableRows(page)
      const events = Number((await page.locator('#events').innerText()).replace(/\D/g, ''))
      await until(async () => Number((await page.locator('#events').innerText()).replace(/\D/g, '')) > events + 50, 'more events have been received')
      t.strictSame(await tableRows(page), before)
      t.match(await page.locator('#behind').innerText(), /^\d+\.\d s, \d+ events$/)
      await resume.click()
      await shows(page, 'Every event received in the meantime is drawn.')
      await hasAllCandles(t, page, origin, await symbolOf(page))
    })
  })

  test('fills the gap after its connection was cut, and shows when that was', async t => {
    await visit(t, browser, page, async page => {
      await open(page)
      await parts(page).cut.click()
      await shows(page, /You cut the connection at \d\d:\d\d:\d\d/)
      const text = await shows(page, 'and none is missing')
      const [, seconds, events] = /for (\d+\.\d) s\. ([\d,]+) events were replayed/.exec(text)!
      t.ok(Number(seconds) >= 5)
      t.ok(Number(events!.replace(',', '')) >= 50, `${events} events`)
      await hasAllCandles(t, page, origin, await symbolOf(page))
    })
  })

  test('reconnects when its stream ends', async t => {
    const { app, origin } = await serveMarket(t, MARKET)
    await visit(t, browser, `${origin}/market.html`, async page => {
      await open(page)
      app.sse.close()
      await shows(page, 'and none is missing')
      await hasAllCandles(t, page, origin, await symbolOf(page))
    })
  })

  test('loads the candles again when the history no longer has the missed events', async t => {
    const { origin } = await serveMarket(t, { ...MARKET, replay: 40 })
    await visit(t, browser, `${origin}/market.html`, async page => {
      await open(page)
      await parts(page).cut.click()
      await shows(page, 'longer than the server\'s history')
      await hasAllCandles(t, page, origin, await symbolOf(page))
    })
  })

  test('loads everything again when the server has restarted', async t => {
    const first = await serveMarket(t, MARKET)
    const { port } = new URL(first.origin)
    await visit(t, browser, `${first.origin}/market.html`, async page => {
      await open(page)
      await first.app.close()
      await serveMarket(t, { ...MARKET, seed: 2 }, Number(port))
      await shows(page, 'The server restarted')
      await hasAllCandles(t, page, first.origin, await symbolOf(page))
    }, { expected: FAILED_REQUEST })
  })

  test('loads everything again when another server with the same broker responds', async t => {
    const broker = memoryBroker()
    const first = await serveMarket(t, MARKET, 0, broker)
    const second = await serveMarket(t, { ...MARKET, seed: 2 }, 0, broker)
    const portOf = ({ origin }: { origin: string }): number => Number(new URL(origin).port)
    const proxy = await TcpProxy.start(t, { port: portOf(first) })
    await visit(t, browser, `http://127.0.0.1:${proxy.port}/market.html`, async page => {
      await open(page)
      await hasAllCandles(t, page, first.origin, await symbolOf(page))
      proxy.target = portOf(second)
      proxy.cut()
      await shows(page, 'another one responded')
      await hasAllCandles(t, page, second.origin, await symbolOf(page))
    }, { expected: FAILED_REQUEST })
  })

  test('reports an unknown instrument, and shows another', async t => {
    await visit(t, browser, `${page}?symbol=NONE`, async page => {
      await open(page)
      t.match(await parts(page).notice.innerText(), /^Unknown symbol NONE/)
    }, { expected: FAILED_REQUEST })
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`has no accessibility violations on a phone in ${colorScheme} colors`, async t => {
      await visit(t, browser, page, async page => {
        await open(page)
        t.strictSame(await violations(page), [])
        t.equal(await page.evaluate('document.documentElement.scrollWidth'), 390, 'nothing is wider than the viewport')
      }, { colorScheme, viewport: { width: 390, height: 844 } })
    })
  }
})
