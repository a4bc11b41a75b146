import type { Route } from 'playwright-core'
import { FAILED_REQUEST } from '../../fixtures/browser.ts'
import { conversationSuite, disconnectViewers, ENDLESS, eventsOf, FAST, untilAnswerIs, parts, sendMessage, serve, shownAnswer, untilAnswerShows, SLOW, storedAnswer, textOfRun, viewers } from '../../fixtures/conversation-page.ts'
import { until } from '../../fixtures/until.ts'

conversationSuite('reconnects of the conversation page', ({ test, open }) => {
  test('after a reload, an answer continues without lost or repeated words', async t => {
    const server = await serve(t, SLOW)
    const { app, requests } = server
    await open(t, server, async page => {
      await sendMessage(page, ENDLESS)
      for (const number of ['10', '40', '70', '100']) {
        await untilAnswerShows(page, ` ${number},`)
        if (number !== '100') await page.reload()
      }
      await parts(page).stop.click()
      await untilAnswerIs(page, 'aborted')
      t.equal(await storedAnswer(page), await textOfRun(app))
      t.equal(await shownAnswer(page), await storedAnswer(page))
    })
    t.equal(app.sse.runs.size, 1)
    t.equal(requests.filter(request => /^GET .*lastEventId=/.test(request)).length, 3, 'each reload continues after the last event')
  })

  test('reconnects after being offline or disconnected, without lost or repeated words', async t => {
    const server = await serve(t, SLOW)
    const { app } = server
    await open(t, server, async page => {
      const { status } = parts(page)
      await sendMessage(page, ENDLESS)
      await untilAnswerShows(page, ' 20,')
      await page.context().setOffline(true)
      await status.filter({ hasText: 'Offline' }).waitFor()
      // Chromium's offline mode only affects new requests.
      disconnectViewers(app)
      await until(() => viewers(app) === 0, 'the run has no viewers')
      const events = eventsOf(app)
      await until(() => eventsOf(app) >= events + 20, 'the answer continues')
      await page.context().setOffline(false)
      await status.filter({ hasText: 'Connected' }).waitFor()
      await until(() => viewers(app) === 1, 'the run has a viewer')
      disconnectViewers(app)
      await status.filter({ hasText: 'Reconnecting' }).waitFor()
      await status.filter({ hasText: 'Connected' }).waitFor()
      await parts(page).stop.click()
      await untilAnswerIs(page, 'aborted')
      t.equal(await storedAnswer(page), await textOfRun(app))
      t.equal(await shownAnswer(page), await storedAnswer(page))
      t.equal(app.sse.runs.size, 1)
    }, { expected: FAILED_REQUEST })
  })

  test('reconnects if the server is silent for too long', async t => {
    const server = await serve(t, FAST)
    const { requests } = server
    await open(t, server, async page => {
      await page.clock.install()
      await page.reload()
      await sendMessage(page, '/stall What is SSE?')
      const viewRequests = () => requests.filter(request => request.startsWith('GET /chat/'))
      await until(async () => {
        await page.clock.runFor(100)
        return viewRequests().length === 1 && eventsOf(server.app) === 8
      }, 'the answer has stalled')
      await until(async () => {
        await page.clock.runFor(1_000)
        return viewRequests().length === 2
      }, 'the page has reconnected')
      t.match(viewRequests()[1], /\?lastEventId=\w+\.\d+-\d+$/)
    }, { fresh: true })
  })

  test('reports that a restarted server has lost an answer, and requests it again', async t => {
    const server = await serve(t, SLOW)
    await open(t, server, async page => {
      const { retry } = parts(page)
      await sendMessage(page, ENDLESS)
      await untilAnswerShows(page, ' 10,')
      // The page is offline, so that it notices nothing of the shutdown.
      await page.context().setOffline(true)
      disconnectViewers(server.app)
      await until(() => viewers(server.app) === 0, 'the run has no viewers')
      await server.app.close()
      const restarted = await serve(t, SLOW, { port: Number(new URL(server.page).port) })
      await page.context().setOffline(false)
      await untilAnswerIs(page, 'lost')
      await untilAnswerShows(page, /The server no longer has this answer.*Retry to get a complete one/)
      t.match(await shownAnswer(page), /^1, 2, .* 10,/, 'the text so far is shown')
      await retry.click()
      await untilAnswerIs(page, 'running')
      await untilAnswerShows(page, ' 10,')
      t.equal(restarted.app.sse.runs.size, 1)
    }, { expected: FAILED_REQUEST })
  })

  test('reports that the server was shut down', async t => {
    const server = await serve(t, SLOW)
    await open(t, server, async page => {
      await sendMessage(page, ENDLESS)
      await untilAnswerShows(page, '1, 2, 3')
      await server.app.close()
      await untilAnswerIs(page, 'failed')
      await untilAnswerShows(page, 'The server was shut down. It is probably restarting. Try again later.')
    }, { expected: FAILED_REQUEST })
  })

  test('keeps reconnecting while the server responds with 503', async t => {
    const server = await serve(t, SLOW)
    const { app } = server
    await open(t, server, async page => {
      const { status, stop } = parts(page)
      await sendMessage(page, ENDLESS)
      await untilAnswerShows(page, ' 10,')
      let refused = 0
      await page.route('**/chat/*', async route => {
        refused++
        await route.fulfill({ status: 503, body: 'not now' })
      })
      disconnectViewers(app)
      await until(() => refused >= 3, 'the page has tried several times')
      await status.filter({ hasText: 'Reconnecting' }).waitFor()
      await page.unroute('**/chat/*')
      await status.filter({ hasText: 'Connected' }).waitFor()
      await stop.click()
      await untilAnswerIs(page, 'aborted')
      t.equal(await storedAnswer(page), await textOfRun(app))
    }, { expected: FAILED_REQUEST })
  })

  test('repeated requests for one message start one run', async t => {
    const server = await serve(t, SLOW)
    const { app } = server
    const keys: Array<string | undefined> = []
    await open(t, server, async page => {
      const { status } = parts(page)
      let attempts = 0
      await page.route('**/chat', async route => {
        const attempt = attempts++
        if (attempt === 2) return await route.fallback()
        keys.push(route.request().headers()['idempotency-key'])
        // The second request is received, but its response is lost.
        if (attempt === 1) await route.fetch()
        await route.abort()
      })
      await sendMessage(page, 'Count to 20')
      await status.filter({ hasText: 'Reconnecting The server is unreachable. Your message is sent as soon as possible.' }).waitFor()
      await untilAnswerIs(page, 'done')
      t.equal(attempts, 3)
      t.equal(await storedAnswer(page), await textOfRun(app))
    }, { expected: FAILED_REQUEST })
    t.equal(keys.length, 2)
    t.equal(new Set(keys).size, 1)
    t.equal(app.sse.runs.size, 1)
  })

  test('a request is repeated after a reload, and its run is cancelled if the answer was stopped meanwhile', async t => {
    const server = await serve(t, SLOW)
    const { app } = server
    await open(t, server, async page => {
      const { stop, retry } = parts(page)
      const held: Route[] = []
      await page.route('**/chat', async route => { held.push(route) })
      await sendMessage(page, ENDLESS)
      await until(() => held.length === 1, 'the message is sent')
      await page.reload()
      await until(() => held.length === 2, 'the message is sent again')
      await untilAnswerIs(page, 'asking')
      await stop.click()
      await untilAnswerIs(page, 'aborted')
      await held[1]!.continue()
      await until(() => app.sse.runs.list()[0]?.state === 'aborted', 'the run is cancelled')
      await page.unroute('**/chat')
      await retry.click()
      await untilAnswerIs(page, 'running')
      t.equal(app.sse.runs.size, 2)
    })
  })

  test('shows why the server rejected a message', async t => {
    const server = await serve(t, FAST)
    await open(t, server, async page => {
      const { retry } = parts(page)
      const rejectWith = async (status: number, body: string, headers = {}): Promise<void> => {
        await page.unroute('**/chat')
        await page.route('**/chat', async route => { await route.fulfill({ status, body, headers }) })
      }
      await rejectWith(503, '{ "message": "The server has too many runs; try again later" }', { 'retry-after': '60' })
      await sendMessage(page, 'Count to 3')
      await untilAnswerShows(page, 'The server has too many runs; try again later. Try again in 60 s.')
      await rejectWith(502, '<h1>Bad gateway</h1>')
      await retry.click()
      await untilAnswerShows(page, 'The server responded with 502. Try again; it may succeed.')
      await page.unroute('**/chat')
      await retry.click()
      await untilAnswerShows(page, '1, 2, 3.')
    }, { expected: FAILED_REQUEST })
  })
})
