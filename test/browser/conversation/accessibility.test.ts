import { violations } from '../../fixtures/axe.ts'
import { conversationSuite, ENDLESS, focused, untilAnswerIs, parts, sendMessage, serve, untilAnswerShows, SLOW, storedAnswer } from '../../fixtures/conversation-page.ts'
import { until } from '../../fixtures/until.ts'

conversationSuite('the conversation page for every reader', ({ test, open }) => {
  test('scrolls with the text unless the reader has scrolled up', async t => {
    const server = await serve(t, SLOW)
    await open(t, server, async page => {
      const { scroll, toEnd } = parts(page)
      const below = async () => await scroll.evaluate(element => element.scrollHeight - element.scrollTop - element.clientHeight)
      const height = async () => await scroll.evaluate(element => element.scrollHeight)
      await sendMessage(page, 'Tell me a long story')
      const first = await height()
      await until(async () => await height() > first + 200, 'the text is longer than the viewport')
      await until(async () => await below() < 10, 'the end is in view')
      t.notOk(await toEnd.isVisible())
      await scroll.hover()
      await page.mouse.wheel(0, -120)
      await toEnd.waitFor()
      const top = await scroll.evaluate(element => element.scrollTop)
      const second = await height()
      await until(async () => await height() > second + 100, 'the text has grown')
      t.ok(await scroll.evaluate(element => element.scrollTop) <= top, 'the position has not changed')
      await toEnd.click()
      await until(async () => await below() < 10, 'the end is in view again')
      const third = await height()
      await until(async () => await height() > third + 50 && await below() < 10, 'it scrolls with the text again')
      t.notOk(await toEnd.isVisible())
    }, { viewport: { width: 800, height: 400 } })
  })

  test('screen readers announce an answer when it is complete, not word by word', async t => {
    const server = await serve(t, SLOW)
    await open(t, server, async page => {
      const { announced, log, answer, stop } = parts(page)
      await page.evaluate(`(() => {
        globalThis.announcements = []
        const region = document.querySelector('[aria-live=polite]')
        new MutationObserver(() => announcements.push(region.textContent)).observe(region, { childList: true })
      })()`)
      await sendMessage(page, ENDLESS)
      await untilAnswerShows(page, '1, 2, 3')
      t.equal(await log.getAttribute('aria-live'), 'off')
      t.equal(await answer.getAttribute('aria-busy'), 'true')
      await stop.click()
      await untilAnswerIs(page, 'aborted')
      t.equal(await answer.getAttribute('aria-busy'), 'false')
      await announced.filter({ hasText: /^1, 2, 3.* You stopped this answer\.$/ }).waitFor()
      await sendMessage(page, 'Say hello')
      await announced.filter({ hasText: /^hello$/ }).waitFor()
      t.equal(await page.evaluate('announcements.length'), 2)
    })
  })

  test('can be used with the keyboard alone', async t => {
    const server = await serve(t, SLOW)
    await open(t, server, async page => {
      const { message, answer, dialog } = parts(page)
      const focusedName = async () => await page.evaluate('document.activeElement.ariaLabel ?? document.activeElement.textContent')
      await until(async () => await focused(page) === 'message', 'the focus is on the message')
      await page.keyboard.press('Enter')
      await page.keyboard.type('Repeat: one')
      await page.keyboard.press('Shift+Enter')
      await page.keyboard.type('```js')
      await page.keyboard.press('Shift+Enter')
      await page.keyboard.type('two')
      t.equal(await message.inputValue(), 'Repeat: one\n```js\ntwo')
      await page.keyboard.press('Enter')
      await untilAnswerIs(page, 'done')
      t.equal(await storedAnswer(page), 'one\n```js\ntwo')
      for (const name of ['Retry', 'Copy', 'Code: js', 'Copy the code', 'Conversation', 'New conversation']) {
        if (name === 'Retry') continue
        await page.keyboard.press('Shift+Tab')
        t.equal(await focusedName(), name)
        t.ok(await page.evaluate("document.activeElement.matches(':focus-visible')"))
      }
      await page.keyboard.press('Enter')
      await dialog.waitFor()
      await page.keyboard.press('Escape')
      await message.focus()
      await page.keyboard.type(ENDLESS)
      await page.keyboard.press('Enter')
      await answer.filter({ hasText: '1, 2, 3' }).waitFor()
      await page.keyboard.press('Tab')
      await page.keyboard.press('Enter')
      await untilAnswerIs(page, 'aborted')
      await page.keyboard.press('Shift+Tab')
      t.equal(await focusedName(), 'Retry')
      await page.keyboard.press('Enter')
      await untilAnswerIs(page, 'running')
      t.equal(await focused(page), 'message')
    })
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`has no accessibility violations on a phone in ${colorScheme} colors`, async t => {
      const server = await serve(t, SLOW)
      await open(t, server, async page => {
        const { newConversation, answer, dialog, stop } = parts(page)
        const audit = async (what: string): Promise<void> => {
          t.strictSame(await violations(page), [], what)
          t.equal(await page.evaluate('document.documentElement.scrollWidth'), 390, 'nothing is wider than the viewport')
        }
        await page.getByText('Suggestions').waitFor()
        await audit('at the beginning')
        await sendMessage(page, ENDLESS)
        await untilAnswerShows(page, '1, 2, 3')
        t.equal(await answer.evaluate(element => element.getAnimations({ subtree: true }).length), 0, 'nothing is animated')
        await audit('while an answer arrives')
        await stop.click()
        await untilAnswerIs(page, 'aborted')
        for (const [text, state] of [['Show me markdown', 'done'], ['/fail hello', 'failed'], [`Repeat: ${'W'.repeat(500)}\n\n| ${'wide | '.repeat(30)}\n|${'-|'.repeat(30)}\n\n    ${'code '.repeat(100)}`, 'done']] as const) {
          await sendMessage(page, text)
          await untilAnswerIs(page, state)
        }
        await audit('with answers of all kinds')
        await newConversation.click()
        await dialog.waitFor()
        await audit('with the dialog')
      }, { viewport: { width: 390, height: 844 }, colorScheme, reducedMotion: 'reduce' })
    })
  }
})
