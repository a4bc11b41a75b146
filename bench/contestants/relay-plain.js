/** A correct relay without a library for it. */
import { once } from 'node:events'
import http from 'node:http'
import { createParser } from 'eventsource-parser'
import { request } from 'undici'

const HEADERS = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }
const messages = [{ role: 'user', content: 'What time is it?' }]

/** Relays an answer of the model into a response, until the response closes. */
async function relay (url, tokens, response) {
  const controller = new AbortController()
  const { signal } = controller
  response.on('close', () => { controller.abort() })
  const write = (event, data) => { response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`) }

  try {
    const { statusCode, body } = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ model: 'clock', max_tokens: tokens, messages, stream: true }),
      signal
    })
    if (statusCode !== 200) throw new Error(`The model responded with ${statusCode}`)
    let finishReason
    const parser = createParser({
      onEvent ({ data }) {
        if (data === '[DONE]') return
        const [choice] = JSON.parse(data).choices
        if (choice?.delta.content) write('delta', { text: choice.delta.content })
        finishReason = choice?.finish_reason ?? finishReason
      }
    })
    const decoder = new TextDecoder()
    for await (const chunk of body) {
      parser.feed(decoder.decode(chunk, { stream: true }))
      if (response.writableNeedDrain) await once(response, 'drain', { signal })
    }
    if (finishReason === undefined) throw new Error('The answer of the model is incomplete')
    write('done', { finishReason })
  } catch (error) {
    if (signal.aborted) return
    write('failed', { message: error.message })
  }
  response.end()
}

export async function start ({ modelPort }) {
  const url = `http://127.0.0.1:${modelPort}/v1/chat/completions`
  const server = http.createServer(async ({ url: path }, response) => {
    const { searchParams } = new URL(path, 'http://x')
    response.writeHead(200, HEADERS)
    response.flushHeaders()
    await relay(url, Number(searchParams.get('max_tokens')), response)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { port: server.address().port }
}
