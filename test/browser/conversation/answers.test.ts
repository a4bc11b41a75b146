import { PAGES } from '../../../server/model/pages.ts'
import { conversationSuite, ENDLESS, FAST, focused, untilAnswerIs, parts, sendMessage, serve, untilAnswerShows, SLOW, storedAnswer, textOfRun, viewers } from '../../fixtures/conversation-page.ts'
import { until } from '../../fixtures/until.ts'
import { chatChunk, DONE, sseEvent, startUpstream, type ReceivedRequest } from '../../fixtures/upstream.ts'

const CLIPBOARD = { permissions: ['clipboard-read', 'clipboard-write'] }

conversationSuite('answers on the conversation page', ({ test, open }) => {
  test('renders an answer while it arrives, and does not render finished blocks again', async t => {
    const server = await serve(t, SLOW)
    await open(t, server, async page => {
      const { answer, status, questions, message, stop, send } = parts(page)
      await page.getByRole('button', { name: 'What is SSE?' }).click()
      await status.filter({ hasText: 'Connected' }).waitFor()
      t.equal(await questions.locator('.text').textContent(), 'What is SSE?')
      t.ok(await stop.isVisible() && !await send.isVisible())
      const heading = answer.getByRole('heading', { name: 'Server-Sent Events', level: 3 })
      await heading.waitFor()
      const first = (await heading.elementHandle())!
      await answer.getByRole('table').waitFor()
      await untilAnswerIs(page, 'running')
      await untilAnswerIs(page, 'done')
      t.ok(await first.evaluate(element => element.isConnected), 'the element is still the same')
      t.equal(await storedAnswer(page), PAGES.sse)
      t.equal(await textOfRun(server.app), PAGES.sse)
      t.equal(await answer.getByRole('row').count(), 5)
      t.match(await answer.getByRole('group', { name: 'Code: text' }).textContent(), 'event: price\nid: 42')
      await answer.getByRole('listitem').filter({ hasText: 'curl -N is a client.' }).waitFor()
      await page.getByText(/^8 tokens in, \d{3} out$/).waitFor()
      await status.filter({ hasText: 'Ready' }).waitFor()
      t.equal(await focused(page), 'message', 'the focus is on the message')
      t.equal(await message.inputValue(), '')
    })
  })

  test('an answer can be stopped and requested again', async t => {
    const server = await serve(t, SLOW)
    const { app, requests } = server
    await open(t, server, async page => {
      const { stop, send, answers, retry } = parts(page)
      await sendMessage(page, ENDLESS)
      await untilAnswerShows(page, '1, 2, 3')
      await stop.click()
      await untilAnswerIs(page, 'aborted')
      await untilAnswerShows(page, 'You stopped this answer.')
      t.equal(await storedAnswer(page), await textOfRun(app), 'the text so far is stored')
      t.equal(await focused(page), 'message')
      t.ok(await send.isVisible() && !await stop.isVisible())
      await retry.click()
      await untilAnswerIs(page, 'running')
      await untilAnswerShows(page, '1, 2, 3')
      t.equal(await answers.count(), 1, 'the new answer replaces the stopped one')
      t.strictSame(app.sse.runs.list().map(({ state }) => state), ['aborted', 'running'])
      await stop.click()
      await untilAnswerIs(page, 'aborted')
      await until(() => viewers(app) === 0, 'the run has no viewers')
    })
    const [id] = app.sse.runs.list().map(({ id }) => id.replace('chat:', ''))
    t.strictSame(requests.slice(0, 3), ['POST /chat', `GET /chat/${id}`, `DELETE /chat/${id}`])
  })

  test('a failed answer has advice and can be requested again', async t => {
    const server = await serve(t, FAST)
    await open(t, server, async page => {
      const { retry, answers, questions } = parts(page)
      await sendMessage(page, '/fail What is SSE?')
      await untilAnswerIs(page, 'failed')
      await untilAnswerShows(page, 'The model failed while it answered. Try again; it may succeed.')
      t.equal(await storedAnswer(page), await textOfRun(server.app))
      await answers.getByRole('heading', { name: 'Server-Sent Events' }).waitFor()
      await retry.click()
      await until(() => server.app.sse.runs.size === 2, 'the question was sent again')
      await untilAnswerIs(page, 'failed')
      t.strictSame([await answers.count(), await questions.count()], [1, 1])
      await sendMessage(page, 'Say hello')
      await untilAnswerIs(page, 'done')
      t.equal(await retry.count(), 0, 'only the last answer can be requested again')
    })
  })

  test('the advice depends on the error', async t => {
    const failures: Array<[(request: ReceivedRequest) => void, RegExp]> = [
      [request => request.respond(429, { 'x-should-retry': 'false' }, '{}'), /too many requests.*Try again later\./],
      [request => request.respond(429, {}, '{"error":{"code":"insufficient_quota"}}'), /quota.*exhausted.*the server’s operator must fix this\./],
      [request => { request.stream('data: {broken\n\n').end() }, /malformed.*The same request would probably fail again\. Try to rephrase it\./],
      [request => request.respond(401, {}, '{}'), /rejected our credentials.*the server’s operator must fix this\./],
      [request => request.respond(413, {}, '{}'), /too long for the model.*Shorten your message, or start a new conversation\./],
      [request => request.respond(400, {}, '{}'), /rejected the request.*Start a new conversation\./],
      [request => { request.stream(chatChunk({ content: 'Half' })).end() }, /incomplete.*Try again; it may succeed/],
      [request => { request.stream(chatChunk({ content: 'Half a' }), chatChunk({}, 'length'), DONE).end() }, /has reached its maximum length\. Ask the model to continue\./],
      [request => { request.stream(chatChunk({ content: 'Half a' }), chatChunk({}, 'content_filter'), DONE).end() }, /The model’s content filter cut off this answer\./]
    ]
    const { baseURL } = await startUpstream(t, (request, number) => failures[number - 1]![0](request))
    const server = await serve(t, FAST, { LLM_BASE_URL: baseURL })
    await open(t, server, async page => {
      const { answers } = parts(page)
      for (const [index, [, advice]] of failures.entries()) {
        await sendMessage(page, `Question ${index}`)
        await answers.nth(index).filter({ hasText: advice }).waitFor()
      }
    })
  })

  test('the reasoning of a model is shown apart from its answer', async t => {
    const { baseURL } = await startUpstream(t, request => {
      request.stream(chatChunk({ reasoning_content: 'What may **this** be?' }), chatChunk({ content: 'A table.' }), chatChunk({}, 'stop'), sseEvent({ choices: [], usage: { prompt_tokens: 1234, completion_tokens: 5, total_tokens: 1239 } }), DONE).end()
    })
    const server = await serve(t, FAST, { LLM_BASE_URL: baseURL })
    await open(t, server, async page => {
      const { answer } = parts(page)
      await sendMessage(page, 'What is it?')
      await untilAnswerIs(page, 'done')
      const reasoning = answer.getByText('What may **this** be?')
      t.notOk(await reasoning.isVisible())
      await answer.getByText('Reasoning').click()
      await reasoning.waitFor()
      t.equal(await storedAnswer(page), 'A table.')
      await page.getByText('1,234 tokens in, 5 out').waitFor()
      await page.reload()
      await answer.getByText('Reasoning').click()
      await reasoning.waitFor()
    })
  })

  test('an answer can be copied as Markdown, and a code block separately', async t => {
    const server = await serve(t, FAST)
    await open(t, server, async page => {
      const { answer } = parts(page)
      const clipboard = async () => await page.evaluate('navigator.clipboard.readText()')
      await sendMessage(page, 'Show me code for a Fastify route')
      await untilAnswerIs(page, 'done')
      await answer.getByRole('button', { name: 'Copy', exact: true }).click()
      await page.getByRole('button', { name: 'Copied' }).waitFor()
      t.equal(await clipboard(), PAGES.serverCode)
      await answer.getByRole('figure').getByText(/^js/).waitFor()
      await answer.getByRole('button', { name: 'Copy the code' }).click()
      await until(async () => await clipboard() === /```js\n(.*?)```/s.exec(PAGES.serverCode)![1], 'the code was copied')
    }, CLIPBOARD)
  })
})
