import { readdirSync } from 'node:fs'
import t from 'tap'
import { violations } from '../fixtures/axe.ts'
import { browserSuite, visit } from '../fixtures/browser.ts'
import { demo } from '../fixtures/demo.ts'

const PHONE = { viewport: { width: 390, height: 844 } }
const HOME = { name: 'fastify-sse-emitter' }

const pages = readdirSync(new URL('../../static', import.meta.url)).filter(file => file.endsWith('.html') && file !== 'index.html').sort()

browserSuite(t, 'the front page', async (t, browser) => {
  const { url } = await demo(t)

  t.test('links to every page by its heading, and every page links back, without scripts', async t => {
    await visit(t, browser, url, async page => {
      const links = page.getByRole('main').getByRole('listitem').getByRole('link')
      await links.last().waitFor()
      t.strictSame(await Promise.all((await links.all()).map(link => link.getAttribute('href'))).then(hrefs => hrefs.sort()), pages)
      for (const name of await links.allTextContents()) {
        await links.filter({ hasText: name }).click()
        await page.getByRole('heading', { level: 1, name, exact: true }).waitFor()
        await page.getByRole('banner').getByRole('link', HOME).click()
        await page.waitForURL(String(url))
      }
    }, { javaScriptEnabled: false, ...PHONE })
  })

  t.test('describes every page', async t => {
    await visit(t, browser, url, async page => {
      const cards = page.getByRole('main').getByRole('listitem')
      await cards.last().waitFor()
      t.equal(await cards.count(), pages.length)
      for (const card of await cards.all()) t.ok((await card.getByRole('paragraph').innerText()).length > 50)
      t.equal(await page.locator('script').count(), 0)
    })
  })

  t.test('can be used with the keyboard alone, and a click anywhere on a card opens its page', async t => {
    await visit(t, browser, url, async page => {
      const links = page.getByRole('link')
      await links.last().waitFor()
      for (const link of await links.all()) {
        await page.keyboard.press('Tab')
        t.ok(await link.evaluate(element => element.matches(':focus-visible')))
      }
      await page.keyboard.press('Enter')
      await page.waitForURL(`${url}inspector.html`)
      await page.goBack()
      await page.getByRole('main').getByRole('listitem').first().click({ position: { x: 20, y: 20 } })
      await page.waitForURL(`${url}chat.html`)
    })
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    t.test(`has no accessibility violations on a phone in ${colorScheme} colors`, async t => {
      await visit(t, browser, url, async page => {
        await page.getByRole('link').last().waitFor()
        t.strictSame(await violations(page), [])
        t.equal(await page.evaluate('document.documentElement.scrollWidth'), 390, 'nothing is wider than the viewport')
      }, { colorScheme, ...PHONE })
    })
  }
})
