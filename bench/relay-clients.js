/** Clients of a model or of a relay, which record when deltas were sent and received. */
import { once } from 'node:events'
import net from 'node:net'
import { DELTA_INTERVAL, MARK, now } from './event-data.js'
import { get, receive, repeat } from './http-client.js'
import { sleep } from './processes.js'
import { percentiles } from './statistics.js'

/** Shared by all connections, because each read is processed before the next one. */
const BUFFER = Buffer.alloc(64 * 1_024)
/** Milliseconds without data after which a connection is closed. */
const READ_TIMEOUT = 5_000
/** Microseconds after which a delta is late. */
const LATE = 100_000
const MARK_CHARACTER = String.fromCharCode(MARK)

/**
 * A connection for one request after another. It reads a chunked event stream, split anywhere, from a model or a relay. It
 * relies on the text having the form of `eventData`, and on the event before `[DONE]` containing "stop".
 */
class RelayClient {
  #socket
  /** Received data that is not a complete head or chunk. */
  #unreadText = ''
  /** Chunk data that is not a complete event. */
  #partialEvent = ''
  #inBody = false
  #answer
  #onEnd
  connected

  constructor (port) {
    const callback = length => {
      this.#read(BUFFER.latin1Slice(0, length), now())
      return true
    }
    this.#socket = net.connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer: BUFFER, callback } })
    this.connected = once(this.#socket, 'connect')
    this.#socket.setTimeout(READ_TIMEOUT, () => { this.#socket.destroy() })
    // The missing deltas count as lost.
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => { this.#onEnd?.() })
  }

  get open () {
    return !this.#socket.destroyed
  }

  /** @returns when the request and each delta were sent, when each delta was received, and whether the answer ended */
  async request (path) {
    const answer = { requestedAt: now(), sentAt: [], receivedAt: [], ended: false }
    this.#answer = answer
    this.#socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n`)
    await new Promise(resolve => { this.#onEnd = resolve })
    return answer
  }

  close () {
    this.#socket.destroy()
  }

  #read (text, at) {
    this.#unreadText += text
    while (this.#inBody ? this.#readChunk(at) : this.#readHead());
  }

  /** @returns whether the head was complete */
  #readHead () {
    const end = this.#unreadText.indexOf('\r\n\r\n')
    if (end === -1) return false
    const head = this.#unreadText.slice(0, end)
    if (!/^HTTP\/1\.1 200 .*\r\ntransfer-encoding: chunked/is.test(head)) throw new Error(`A request failed: ${this.#unreadText}`)
    this.#unreadText = this.#unreadText.slice(end + 4)
    this.#inBody = true
    return true
  }

  /** @returns whether another chunk may follow */
  #readChunk (at) {
    const start = this.#unreadText.indexOf('\r\n') + 2
    if (start === 1) return false
    const end = start + parseInt(this.#unreadText, 16)
    if (this.#unreadText.length < end + 2) return false
    const data = this.#unreadText.slice(start, end)
    this.#unreadText = this.#unreadText.slice(end + 2)
    if (data !== '') {
      this.#readEvents(data, at)
      return true
    }
    this.#inBody = false
    this.#partialEvent = ''
    this.#onEnd()
    return false
  }

  #readEvents (text, at) {
    const events = (this.#partialEvent + text).split('\n\n')
    this.#partialEvent = events.pop()
    for (const event of events) this.#readEvent(event, at)
  }

  #readEvent (event, at) {
    const mark = event.indexOf(MARK_CHARACTER)
    const { sentAt, receivedAt } = this.#answer
    if (mark === -1) {
      if (event.includes('"stop"')) this.#answer.ended = true
      return
    }
    const sent = Number(event.slice(mark + 1, event.indexOf(' ', mark)))
    // A delta that is repeated or out of order counts as lost.
    if (sent <= sentAt.at(-1)) return
    sentAt.push(sent)
    receivedAt.push(at)
  }
}

let clients = []

async function connect (port) {
  const client = new RelayClient(port)
  await client.connected
  return client
}

/** Makes one request after another, with a pause after each answer. Reconnects if the connection is closed. */
async function requestRepeatedly (client, { port, path, tokens, times }, answers) {
  for (let remaining = times; remaining > 0; remaining--) {
    if (!client.open) client = await connect(port)
    answers.push(await client.request(`${path}?max_tokens=${tokens}`))
    await sleep(DELTA_INTERVAL)
  }
  client.close()
}

/** Percentiles in microseconds, and counts of lost and late deltas. A missing end counts as a lost delta. */
function summarize (answers, tokens) {
  const [firstDeltas, addedGaps, latencies] = [[], [], []]
  let lost = 0
  for (const { requestedAt, sentAt, receivedAt, ended } of answers) {
    const latenciesOfAnswer = receivedAt.map((at, index) => at - sentAt[index])
    lost += tokens - latenciesOfAnswer.length + (ended ? 0 : 1)
    if (latenciesOfAnswer.length > 0) firstDeltas.push(receivedAt[0] - requestedAt)
    for (const [index, latency] of latenciesOfAnswer.entries()) {
      latencies.push(latency)
      if (index > 0) addedGaps.push(latency - latenciesOfAnswer[index - 1])
    }
  }
  return {
    firstDelta: percentiles(firstDeltas),
    addedGap: percentiles(addedGaps),
    latency: percentiles(latencies),
    lost,
    late: latencies.filter(latency => latency > LATE).length
  }
}

let disconnecting

export const relayTasks = {
  /** Connects the clients, with one request each, so that the cost of accepting connections is not measured. */
  async connectRelayClients ({ port, path, streams }) {
    await repeat(streams, 50, async () => {
      const client = await connect(port)
      await client.request(`${path}?max_tokens=1`)
      clients.push(client)
    })
    return {}
  },

  /**
   * All connected clients make a number of requests and disconnect. Their starts are spread over the duration of one answer.
   *
   * @returns percentiles in microseconds: from the request to the first delta (`firstDelta`), the time between two deltas
   *   beyond that between sending them (`addedGap`), and from sent to received (`latency`); and the deltas lost and late
   */
  async readAnswers (requests) {
    const answers = []
    await Promise.all(clients.map(async (client, index) => {
      await sleep(index / clients.length * requests.tokens * DELTA_INTERVAL)
      await requestRepeatedly(client, requests, answers)
    }))
    clients = []
    return summarize(answers, requests.tokens)
  },

  /** Makes a request, and resolves when a number of deltas was received. */
  async startAnswer ({ port, path, tokens, deltas }) {
    disconnecting = get(port, `${path}?max_tokens=${tokens}`)
    if (deltas > 0) await receive(disconnecting, received => received.toString('latin1').split(MARK_CHARACTER).length > deltas)
    return {}
  },

  /** Disconnects the client of `startAnswer`. @returns the time */
  disconnect () {
    const disconnectedAt = now()
    disconnecting.destroy()
    return { disconnectedAt }
  }
}
