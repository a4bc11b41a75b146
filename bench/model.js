/**
 * A language model that tells the time, in OpenAI's Chat Completions. By hand, because it shares the cores with who is
 * measured.
 */
import { once } from 'node:events'
import net from 'node:net'
import { eventData, now, PACE, steadily } from './event.js'
import { sleep } from './processes.js'

/** Bytes of text in a delta. */
const SIZE = 16
/** Milliseconds after which what has not happened does not. */
const PATIENCE = 5_000

let asked = false
/** When a client left that had not got all of its answer. */
let leftAt

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
const BEGINNING = HEAD + completion({ role: 'assistant', content: '' })
/** What is around the text of a delta, which is always as long. */
const [BEFORE, AFTER] = completion({ content: '~'.repeat(SIZE) }).split('~'.repeat(SIZE))
const END = `${completion({}, 'stop')}${chunk('[DONE]')}0\r\n\r\n`

/** @param tokens how many it says, the first at once; with 0, it thinks until the client leaves */
async function answer (socket, tokens) {
  if (tokens === 0) return await once(socket, 'close')
  socket.write(BEGINNING)
  await steadily({ rate: 1_000 / PACE, ms: tokens * PACE }, () => {
    if (socket.destroyed) return false
    socket.write(BEFORE + eventData(SIZE, now()) + AFTER, 'latin1')
  })
  if (!socket.destroyed) socket.write(END)
}

/** The first number that stands behind this, in a query or in JSON. */
function numberIn (text, behind, otherwise) {
  return Number(new RegExp(`${behind}\\D+(\\d+)`, 'i').exec(text)?.[1] ?? otherwise)
}

const server = net.createServer({ noDelay: true }, socket => {
  let request = ''
  let answering = false
  socket.setEncoding('latin1')
  socket.on('data', async text => {
    request += text
    const headEnd = request.indexOf('\r\n\r\n')
    if (headEnd === -1 || request.length < headEnd + 4 + numberIn(request, 'content-length', 0)) return
    const tokens = numberIn(request, 'max_tokens')
    request = ''
    asked = answering = true
    await answer(socket, tokens)
    answering = false
  })
  socket.on('error', () => {})
  socket.on('close', () => { if (answering) leftAt = now() })
})

async function until (holds) {
  for (const start = performance.now(); !holds(); await sleep(1)) {
    if (performance.now() - start > PATIENCE) throw new Error(`not within ${PATIENCE} ms: ${holds}`)
  }
}

const tasks = {
  /** Until somebody has asked, since this was asked last. */
  async asked () {
    await until(() => asked)
    asked = false
    return {}
  },

  /** Until somebody has left. @returns when */
  async left () {
    await until(() => leftAt !== undefined)
    const at = leftAt
    leftAt = undefined
    return { leftAt: at }
  }
}

process.on('message', async ([task]) => { process.send(await tasks[task]()) })
process.on('disconnect', () => process.exit())
await once(server.listen(0, '127.0.0.1'), 'listening')
process.send({ port: server.address().port })
