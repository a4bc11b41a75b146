import type { Page } from 'playwright-core'
import { conversationSuite, ENDLESS, FAST, focused, untilAnswerIs, parts, ready, sendMessage, serve, shownAnswer, untilAnswerShows, SLOW, textOfRun, viewers } from '../../fixtures/conversation-page.ts'
import { until } from '../../fixtures/until.ts'

conversationSuite('the stored conversation', ({ test, open }) => {
  test('a conversation survives a reload until a new one is started', async t => {
    const server = await serve(t, FAST)
    await open(t, server, async page => {
      const { questions, answers, newConversation, dialog, message } = parts(page)
      t.equal(await newConversation.getAttribute('aria-disabled'), 'true', 'New conversation is disabled at first')
      await newConversation.click({ force: true })
      t.notOk(await dialog.isVisible())
      await sendMessage(page, 'My name is Ada')
      await untilAnswerIs(page, 'done')
      await page.reload()
      await sendMessage(page, 'What is my name?')
      await untilAnswerShows(page, 'Your name is Ada.')
      await page.reload()
      t.strictSame(await questions.locator('.text').allTextContents(), ['My name is Ada', 'What is my name?'], 'in order')
      t.equal(await answers.count(), 2)
      await newConversation.click()
      await dialog.getByRole('button', { name: 'Cancel' }).click()
      t.equal(await answers.count(), 2)
      await newConversation.click()
      await page.keyboard.press('Escape')
      t.equal(await answers.count(), 2)
      await newConversation.click()
      await dialog.getByRole('button', { name: 'Start new' }).click()
      await page.getByText('Suggestions').waitFor()
      t.equal(await answers.count(), 0)
      t.equal(await focused(page), 'message')
      await page.reload()
      await page.getByText('Suggestions').waitFor()
      await ready(page)
      await message.fill('What is my name?')
      await parts(page).send.click()
      await untilAnswerShows(page, 'You haven’t told me.')
    })
  })

  test('two tabs show the same conversation, and either can stop or clear it', async t => {
    const server = await serve(t, SLOW)
    const { app } = server
    await open(t, server, async page => {
      const other = await page.context().newPage()
      await other.goto(server.page)
      await sendMessage(page, 'Say hello')
      for (const tab of [page, other]) await untilAnswerIs(tab, 'done')
      for (const tab of [page, other]) t.equal(await shownAnswer(tab), 'hello')
      await sendMessage(page, ENDLESS)
      for (const tab of [page, other]) await untilAnswerShows(tab, '1, 2, 3')
      t.equal(viewers(app), 2)
      await sendMessage(other, 'And now?')
      await parts(other).notice.filter({ hasText: 'An answer is still in progress. Wait until it ends, or stop it.' }).waitFor()
      t.equal(await parts(other).message.inputValue(), 'And now?', 'the message is still there')
      await parts(other).stop.click()
      for (const tab of [page, other]) await untilAnswerIs(tab, 'aborted')
      for (const tab of [page, other]) t.equal(await shownAnswer(tab), await textOfRun(app, 1))
      await parts(page).retry.click()
      await untilAnswerIs(other, 'running')
      await parts(other).newConversation.click()
      await parts(other).dialog.getByRole('button', { name: 'Start new' }).click()
      await page.getByText('Suggestions').waitFor()
      await until(() => viewers(app) === 0, 'the run has no viewers')
      await until(() => app.sse.runs.list().every(({ state }) => state !== 'running'), 'no run is active')
      t.equal(app.sse.runs.size, 3, 'one run for each question')
    })
  })

  test('a tab that stores an old state does not restore a cleared conversation', async t => {
    const server = await serve(t, FAST)
    await open(t, server, async page => {
      const { newConversation, dialog } = parts(page)
      const other = await page.context().newPage()
      await other.goto(server.page)
      await sendMessage(page, 'Say hello')
      for (const tab of [page, other]) await untilAnswerIs(tab, 'done')
      // A revision higher than that of the tab that clears the conversation.
      const text = await page.evaluate<string>("JSON.stringify({ ...JSON.parse(localStorage.getItem('conversation')), revision: 99 })")
      await newConversation.click()
      await dialog.getByRole('button', { name: 'Start new' }).click()
      await other.getByText('Suggestions').waitFor()
      const storedMessages = async (tab: Page) => await tab.evaluate<number>("JSON.parse(localStorage.getItem('conversation')).messages.length")
      await other.evaluate(`localStorage.setItem('conversation', ${JSON.stringify(text)})`)
      for (const tab of [page, other]) {
        await until(async () => await storedMessages(tab) === 0, 'the stored conversation is empty')
        await tab.getByText('Suggestions').waitFor()
      }
      await other.evaluate('localStorage.clear()')
      await sendMessage(page, 'Say goodbye')
      for (const tab of [page, other]) await untilAnswerShows(tab, 'goodbye')
    })
  })

  test('sends no more history than the server accepts, and marks what is left out', async t => {
    const server = await serve(t, FAST)
    await open(t, server, async page => {
      const { notice, message, log } = parts(page)
      const messages = Array.from({ length: 100 }, (_, index) => ({
        id: `m${index}`, role: index % 2 === 0 ? 'user' : 'assistant', content: `${index}: ${'ä'.repeat(1_000)}`, ...index % 2 === 1 && { state: 'done' }
      }))
      await page.evaluate(`localStorage.setItem('conversation', ${JSON.stringify(JSON.stringify({ messages }))})`)
      await page.reload()
      await log.getByText(/^99: /).waitFor()
      const request = page.waitForRequest('**/chat')
      await sendMessage(page, 'How many messages have I written?')
      const body = (await request).postDataBuffer()!
      t.ok(body.length <= 64 * 1024 && body.length > 62 * 1024, `${body.length} bytes`)
      const sent: Array<{ content: string }> = JSON.parse(body.toString()).messages
      t.strictSame(sent.map(({ content }) => content), [...messages.slice(101 - sent.length).map(({ content }) => content), 'How many messages have I written?'])
      await untilAnswerIs(page, 'done')
      await page.getByText('The model does not receive the messages above').waitFor()
      t.match(await page.locator('#forgotten + .message').textContent(), sent[0]!.content, 'the first message that is sent')
      await page.getByText('Earlier messages were removed.').waitFor()
      t.equal(await log.getByRole('article').count(), 100)
      await sendMessage(page, 'x'.repeat(65_536))
      await notice.filter({ hasText: 'This message exceeds the server’s limit of 64 KiB.' }).waitFor()
      t.equal((await message.inputValue()).length, 65_536, 'the message is still there')
    })
  })

  test('works with an invalid stored conversation and without storage', async t => {
    const server = await serve(t, FAST)
    await open(t, server, async page => {
      const { notice } = parts(page)
      for (const stored of ['nonsense', '{"messages":1}', '{"messages":[null,{"id":1}]}', '[]']) {
        await page.evaluate(`localStorage.setItem('conversation', ${JSON.stringify(stored)})`)
        await page.reload()
        await page.getByText('Suggestions').waitFor()
      }
      await page.evaluate("Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }")
      await sendMessage(page, 'Count to 3')
      await untilAnswerShows(page, '1, 2, 3.')
      await notice.filter({ hasText: 'This browser can’t store the conversation. It will be lost when the page is closed.' }).waitFor()
      await sendMessage(page, 'Count to 4')
      await untilAnswerShows(page, '1, 2, 3, 4.')
    })
  })
})
