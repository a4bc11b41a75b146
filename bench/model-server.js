/**
 * A language model that tells the time over OpenAI's Chat Completions. Written on sockets, because it shares the cores
 * with the server that is measured.
 */
import { once } from 'node:events'
import net from 'node:net'
import { DELTA_INTERVAL, eventData, now, publishAtRate } from './event-data.js'
import { sleep } from './processes.js'

/** Bytes of text in a delta. */
const DELTA_SIZE = 16
/** Milliseconds to wait for a request or a disconnect. */
const WAIT_TIMEOUT = 5_000

let requested = false
/** When a client last disconnected before the end of its answer. */
let disconnectedAt

function chunk (data) {
  const frame = `data: ${data}\n\n`
  return `${frame.length.toString(16)}\r\n${frame}\r\n`
}

function completion (delta, finishReason = null) {
  return chunk(JSON.stringify({
    id: 'chatcmpl-0123456789abcdefghijklmnopqrs',
    object: 'chat.completion.chunk',
    created: 1_700_000_000,
    model: 'clock',
    choices: [{ index: 0, delta, finish_reason: finishReason }]
  }))
}

const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'
const START = HEAD + completion({ role: 'assistant', content: '' })
/** The bytes around the text of a delta. The text always has the same length. */
const [BEFORE_TEXT, AFTER_TEXT] = completion({ content: '~'.repeat(DELTA_SIZE) }).split('~'.repeat(DELTA_SIZE))
const END = `${completion({}, 'stop')}${chunk('[DONE]')}0\r\n\r\n`

/** @param tokens the number of deltas, the first of them immediate; 0 sends no response until the client disconnects */
async function respond (socket, tokens) {
  if (tokens === 0) return await once(socket, 'close')
  socket.write(START)
  await publishAtRate({ rate: 1_000 / DELTA_INTERVAL, ms: tokens * DELTA_INTERVAL }, () => {
    if (socket.destroyed) return false
    socket.write(BEFORE_TEXT + eventData(DELTA_SIZE, now()) + AFTER_TEXT, 'latin1')
  })
  if (!socket.destroyed) socket.write(END)
}

/** The first number after a name, in a header, a query or JSON. */
function numberAfter (text, name, fallback) {
  return Number(new RegExp(`${name}\\D+(\\d+)`, 'i').exec(text)?.[1] ?? fallback)
}

const server = net.createServer({ noDelay: true }, socket => {
  let request = ''
  let responding = false
  socket.setEncoding('latin1')
  socket.on('data', async text => {
    request += text
    const headEnd = request.indexOf('\r\n\r\n')
    if (headEnd === -1 || request.length < headEnd + 4 + numberAfter(request, 'content-length', 0)) return
    const tokens = numberAfter(request, 'max_tokens')
    request = ''
    requested = responding = true
    await respond(socket, tokens)
    responding = false
  })
  socket.on('error', () => {})
  socket.on('close', () => { if (responding) disconnectedAt = now() })
})

async function waitUntil (predicate) {
  for (const start = performance.now(); !predicate(); await sleep(1)) {
    if (performance.now() - start > WAIT_TIMEOUT) throw new Error(`Not true within ${WAIT_TIMEOUT} ms: ${predicate}`)
  }
}

const tasks = {
  /** Waits for a request since the last call. */
  async waitForRequest () {
    await waitUntil(() => requested)
    requested = false
    return {}
  },

  /** Waits for a client to disconnect. @returns the time */
  async waitForDisconnect () {
    await waitUntil(() => disconnectedAt !== undefined)
    const result = { disconnectedAt }
    disconnectedAt = undefined
    return result
  }
}

process.on('message', async ([task]) => { process.send(await tasks[task]()) })
process.on('disconnect', () => process.exit())
await once(server.listen(0, '127.0.0.1'), 'listening')
process.send({ port: server.address().port })
