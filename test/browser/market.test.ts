import { memoryBroker } from 'fastify-sse-emitter'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import type { Candle } from '../../server/market/candles.ts'
import { violations } from '../fixtures/axe.ts'
import { browserSuite, visit } from '../fixtures/browser.ts'
import { until } from '../fixtures/until.ts'
import { TcpProxy } from '../fixtures/tcp-proxy.ts'
import { serveMarket } from '../fixtures/market.ts'

/** What Chromium says, and no page can keep it from saying, where there is no server. */
const FAILED = /^Failed to load resource: /
/** Fewer instruments than the demo has, because the machine has other things to do. */
const MARKET = { symbols: 12, interval: 50, seed: 1 }

/** The page as a person finds their way in it. */
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

/** Waits until the page says this of its connection. */
async function says (page: Page, text: string | RegExp): Promise<string> {
  const { status } = parts(page)
  await status.filter({ hasText: text }).waitFor()
  return await status.innerText()
}

async function open (page: Page): Promise<void> {
  await says(page, 'Prices arrive as they change.')
  await page.getByText('Candles as a table').click()
  await parts(page).rows.first().waitFor()
}

/** The candles that the page tells in its table, by their time; the first row is the newest. */
async function told (page: Page): Promise<Map<string, string[]>> {
  return new Map(await page.evaluate<Array<[time: string, cells: string[]]>>(`Array.from(document.querySelectorAll('#rows tr'), ({ cells: [time, ...cells] }) =>
    [time.querySelector('time').dateTime, cells.map(({ textContent }) => textContent)])`))
}

/** Every candle that is over is told by the page as the server has it, and none is missing. */
async function agrees (t: Test, page: Page, origin: string, symbol: string): Promise<void> {
  const { candles } = await (await fetch(`${origin}/market/candles/${symbol}`)).json() as { candles: Candle[] }
  const over = candles.slice(0, -1)
  // One that was begun after the page was asked is for the next look.
  await until(async () => (await told(page)).has(new Date(candles.at(-1)!.time).toISOString()), 'the page knows the last candle')
  const seen = await told(page)
  const decimals = (number: number): string => number.toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
  const expected = over.slice(1).map(({ time, open, high, low, close, volume }) => [new Date(time).toISOString(), [open, high, low, close].map(decimals).concat(volume.toLocaleString('en', { maximumFractionDigits: 0 }))])
  t.ok(expected.length > 200)
  t.strictSame(expected.map(([time]) => [time, seen.get(time as string)]), expected)
}

/** How many colours a drawing has. */
async function coloursOf (page: Page, id: string): Promise<number> {
  await page.locator(`#${id} canvas`).first().waitFor()
  return await page.evaluate<number>(`{
    const canvas = document.querySelector('#${id} canvas')
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    new Set(new Uint32Array(data.buffer)).size
  }`)
}

const symbolOf = async (page: Page): Promise<string> => await page.locator('#candles-title').innerText()

browserSuite(t, 'the page of the market', async (t, browser) => {
  t.jobs = 2
  const test = (sentence: string, body: (t: Test) => Promise<void>) => t.test(sentence, { buffered: true }, body)
  const { origin } = await serveMarket(t, MARKET)
  const page = `${origin}/market.html`

  test('draws candles, all instruments and curves, and tells the same in words', async t => {
    await visit(t, browser, page, async page => {
      const { instrument, tiles } = parts(page)
      await open(page)
      t.equal(await instrument.locator('option').count(), MARKET.symbols)
      t.equal(await tiles.count(), MARKET.symbols)
      for (const id of ['candles', 'clients', 'delivered', 'bytes']) await until(async () => await coloursOf(page, id) > 2, `${id} is drawn`)
      await agrees(t, page, origin, await symbolOf(page))
      await page.locator('#clients-now').filter({ hasText: /^[1-9]/ }).waitFor()
      await page.locator('#delivered-now').filter({ hasText: /\d per second/ }).waitFor()
    })
  })

  test('shows another instrument, chosen in the list or on the map, and again after a reload', async t => {
    await visit(t, browser, page, async page => {
      const { instrument, tiles } = parts(page)
      await open(page)
      const [first, second, third] = await page.evaluate<string[]>("Array.from(document.querySelectorAll('.tile'), ({ dataset }) => dataset.symbol)")
      await instrument.selectOption(second!)
      await page.locator('#candles-title', { hasText: second! }).waitFor()
      await agrees(t, page, origin, second!)
      await tiles.filter({ hasText: first! }).focus()
      await page.keyboard.press('Home')
      await page.keyboard.press('ArrowRight')
      await page.keyboard.press('ArrowRight')
      await page.keyboard.press('Enter')
      await page.locator('#candles-title', { hasText: third! }).waitFor()
      await page.reload({ waitUntil: 'commit' })
      await open(page)
      t.equal(await symbolOf(page), third)
      await agrees(t, page, origin, third!)
    })
  })

  test('stands still while it is paused, says how far it is behind, and has missed nothing', async t => {
    await visit(t, browser, page, async page => {
      const { pause, resume } = parts(page)
      await open(page)
      await pause.click()
      await says(page, /^Paused/)
      const before = await told(page)
      const events = Number((await page.locator('#events').innerText()).replace(/\D/g, ''))
      await until(async () => Number((await page.locator('#events').innerText()).replace(/\D/g, '')) > events + 50, 'more has come')
      t.strictSame(await told(page), before)
      t.match(await page.locator('#behind').innerText(), /^\d+\.\d s, \d+ events$/)
      await resume.click()
      await says(page, 'Every event received in the meantime is drawn.')
      await agrees(t, page, origin, await symbolOf(page))
    })
  })

  test('fills the gap after its connection was cut, and says when that was', async t => {
    await visit(t, browser, page, async page => {
      await open(page)
      await parts(page).cut.click()
      await says(page, /You cut the connection at \d\d:\d\d:\d\d/)
      const text = await says(page, 'and none is missing')
      const [, seconds, events] = /for (\d+\.\d) s\. ([\d,]+) events were replayed/.exec(text)!
      t.ok(Number(seconds) >= 5)
      t.ok(Number(events!.replace(',', '')) >= 50, `${events} events`)
      await agrees(t, page, origin, await symbolOf(page))
    })
  })

  test('comes back by itself when its stream ends', async t => {
    const { app, origin } = await serveMarket(t, MARKET)
    await visit(t, browser, `${origin}/market.html`, async page => {
      await open(page)
      app.sse.close()
      await says(page, 'and none is missing')
      await agrees(t, page, origin, await symbolOf(page))
    })
  })

  test('loads the candles again when the server does not have any more what was missed', async t => {
    const { origin } = await serveMarket(t, { ...MARKET, replay: 40 })
    await visit(t, browser, `${origin}/market.html`, async page => {
      await open(page)
      await parts(page).cut.click()
      await says(page, 'longer than the server\'s history')
      await agrees(t, page, origin, await symbolOf(page))
    })
  })

  test('loads everything again when the server was started anew', async t => {
    const first = await serveMarket(t, MARKET)
    const { port } = new URL(first.origin)
    await visit(t, browser, `${first.origin}/market.html`, async page => {
      await open(page)
      await first.app.close()
      await serveMarket(t, { ...MARKET, seed: 2 }, Number(port))
      await says(page, 'The server restarted')
      await agrees(t, page, first.origin, await symbolOf(page))
    }, { expected: FAILED })
  })

  test('loads everything again when another server answers, whose market is on the same broker', async t => {
    const broker = memoryBroker()
    const first = await serveMarket(t, MARKET, 0, broker)
    const second = await serveMarket(t, { ...MARKET, seed: 2 }, 0, broker)
    const portOf = ({ origin }: { origin: string }): number => Number(new URL(origin).port)
    const relay = await TcpProxy.start(t, { port: portOf(first) })
    await visit(t, browser, `http://127.0.0.1:${relay.port}/market.html`, async page => {
      await open(page)
      await agrees(t, page, first.origin, await symbolOf(page))
      relay.target = portOf(second)
      relay.cut()
      await says(page, 'another one responded')
      await agrees(t, page, second.origin, await symbolOf(page))
    }, { expected: FAILED })
  })

  test('says that there is no such instrument, and shows another', async t => {
    await visit(t, browser, `${page}?symbol=NONE`, async page => {
      await open(page)
      t.match(await parts(page).notice.innerText(), /^Unknown symbol NONE/)
    }, { expected: FAILED })
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`has nothing that axe finds fault with, on a telephone, in ${colorScheme}`, async t => {
      await visit(t, browser, page, async page => {
        await open(page)
        t.strictSame(await violations(page), [])
        t.equal(await page.evaluate('document.documentElement.scrollWidth'), 390, 'nothing is wider than the screen')
      }, { colorScheme, viewport: { width: 390, height: 844 } })
    })
  }
})
