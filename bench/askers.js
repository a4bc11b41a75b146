/** Those who ask a model, or a relay of it, and look at when its deltas were sent and come. */
import { once } from 'node:events'
import net from 'node:net'
import { ask, several, until } from './client.js'
import { MARK, now, PACE } from './event.js'
import { percentiles } from './figures.js'
import { sleep } from './processes.js'

/** All read into this one: each read is over before the next begins. */
const BUFFER = Buffer.alloc(64 * 1_024)
/** Milliseconds without a byte after which an answer is given up. */
const QUIET = 5_000
/** Microseconds after which a delta is late. */
const LATE = 100_000
const TILDE = String.fromCharCode(MARK)

/**
 * A connection over which one answer after the other is asked for.
 *
 * It reads chunks that may be cut anywhere, and in them events, of the model or of a relay: it is enough for it that text
 * has the form of `eventData`, and that the last event but `[DONE]` says "stop".
 */
class Asker {
  #socket
  /** What was received and is not a whole head or chunk yet. */
  #text = ''
  /** What was in chunks and is not a whole event yet. */
  #event = ''
  #inBody = false
  #answer
  #onOver
  connected

  constructor (port) {
    const callback = length => {
      this.#read(BUFFER.latin1Slice(0, length), now())
      return true
    }
    this.#socket = net.connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer: BUFFER, callback } })
    this.connected = once(this.#socket, 'connect')
    this.#socket.setTimeout(QUIET, () => { this.#socket.destroy() })
    // What has not come then is lost.
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => { this.#onOver?.() })
  }

  get open () {
    return !this.#socket.destroyed
  }

  /** @returns when it was asked, and when its deltas were sent and received; and whether it has an end */
  async ask (path) {
    const answer = { askedAt: now(), sentAt: [], receivedAt: [], ended: false }
    this.#answer = answer
    this.#socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n`)
    await new Promise(resolve => { this.#onOver = resolve })
    return answer
  }

  close () {
    this.#socket.destroy()
  }

  #read (text, at) {
    this.#text += text
    while (this.#inBody ? this.#readChunk(at) : this.#readHead());
  }

  /** @returns whether it was all there */
  #readHead () {
    const end = this.#text.indexOf('\r\n\r\n')
    if (end === -1) return false
    const head = this.#text.slice(0, end)
    if (!/^HTTP\/1\.1 200 .*\r\ntransfer-encoding: chunked/is.test(head)) throw new Error(`asked, and answered with ${this.#text}`)
    this.#text = this.#text.slice(end + 4)
    this.#inBody = true
    return true
  }

  #readChunk (at) {
    const start = this.#text.indexOf('\r\n') + 2
    if (start === 1) return false
    const end = start + parseInt(this.#text, 16)
    if (this.#text.length < end + 2) return false
    const data = this.#text.slice(start, end)
    this.#text = this.#text.slice(end + 2)
    if (data !== '') {
      this.#readEvents(data, at)
      return true
    }
    this.#inBody = false
    this.#event = ''
    this.#onOver()
    return false
  }

  #readEvents (text, at) {
    const events = (this.#event + text).split('\n\n')
    this.#event = events.pop()
    for (const event of events) this.#readEvent(event, at)
  }

  #readEvent (event, at) {
    const mark = event.indexOf(TILDE)
    const { sentAt, receivedAt } = this.#answer
    if (mark === -1) {
      if (event.includes('"stop"')) this.#answer.ended = true
      return
    }
    const sent = Number(event.slice(mark + 1, event.indexOf(' ', mark)))
    // What comes twice, or behind a later one, counts as lost.
    if (sent <= sentAt.at(-1)) return
    sentAt.push(sent)
    receivedAt.push(at)
  }
}

/** Who is connected. */
let askers = []

async function connect (port) {
  const asker = new Asker(port)
  await asker.connected
  return asker
}

/** Asks a number of times, with a pause after each answer; anew where the connection is closed. */
async function askOften (asker, { port, path, tokens, times }, answers) {
  for (let left = times; left > 0; left--) {
    if (!asker.open) asker = await connect(port)
    answers.push(await asker.ask(`${path}?max_tokens=${tokens}`))
    await sleep(PACE)
  }
  asker.close()
}

/** Who has come, to leave again. */
let visitor

export const asking = {
  /** Connects so many, each of which asks for a word. What it takes a server to accept them is not to be measured. */
  async connect ({ port, path, streams }) {
    await several(streams, 50, async () => {
      const asker = await connect(port)
      await asker.ask(`${path}?max_tokens=1`)
      askers.push(asker)
    })
    return {}
  },

  /**
   * All who are connected ask so many times, each for answers of so many tokens, and leave. They begin one after the
   * other, within the time that an answer takes.
   *
   * @returns percentiles in microseconds: from asked to the first delta, by how much more two deltas are apart than they
   *   were sent, and from sent to received; and how many were lost (an end counts as one), and how many late
   */
  async answers (each) {
    const answers = []
    await Promise.all(askers.map(async (asker, index) => {
      await sleep(index / askers.length * each.tokens * PACE)
      await askOften(asker, each, answers)
    }))
    askers = []

    const [firsts, gaps, latencies] = [[], [], []]
    let lost = 0
    for (const { askedAt, sentAt, receivedAt, ended } of answers) {
      const took = receivedAt.map((at, index) => at - sentAt[index])
      lost += each.tokens - took.length + (ended ? 0 : 1)
      if (took.length > 0) firsts.push(receivedAt[0] - askedAt)
      for (const [index, time] of took.entries()) {
        latencies.push(time)
        if (index > 0) gaps.push(time - took[index - 1])
      }
    }
    return {
      first: percentiles(firsts),
      gap: percentiles(gaps),
      latency: percentiles(latencies),
      lost,
      late: latencies.filter(time => time > LATE).length
    }
  },

  /** One comes, and asks; until so many deltas have come. */
  async visit ({ port, path, tokens, deltas }) {
    visitor = ask(port, `${path}?max_tokens=${tokens}`)
    if (deltas > 0) await until(visitor, seen => seen.toString('latin1').split(TILDE).length > deltas)
    return {}
  },

  /** @returns when */
  depart () {
    const leftAt = now()
    visitor.destroy()
    return { leftAt }
  }
}
