/** Clients that need the newest event: they receive it over a stream, or poll at an interval. */
import net from 'node:net'
import { DataAges } from './data-age.js'
import { MARK, now } from './event-data.js'
import { HEAD_END, repeat } from './http-client.js'

/** Shared by all connections, because each read is processed before the next one. */
const BUFFER = Buffer.alloc(64 * 1_024)
/** Milliseconds between two checks for clients whose request is due. */
const CHECK_INTERVAL = 1
const DIGIT_0 = 0x30
/** Requests per client before the measurement, in which V8 compiles the code of a new server. */
const WARM_UP_REQUESTS = 5

const clients = []
/** Undefined before the measurement starts. */
let measurement

class Measurement {
  startedAt = now()
  ages = new DataAges()
  requests = 0
  bytesReceived = 0
  bytesSent = 0
  eventsSeen = 0
}

/** A client with one persistent connection. */
class Client {
  #nextRequestAt
  #socket
  #request
  #pending = false
  /** Bytes of the response that are still missing; undefined before its head. */
  #missingBytes
  #onResponse
  /** When the newest event that the client knows was published, and when it was received. */
  #publishedAt
  #receivedAt

  constructor (port, path) {
    this.#request = `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`
    const callback = length => {
      this.#read(length)
      return true
    }
    this.#socket = net.connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer: BUFFER, callback } })
    this.#socket.on('error', error => { throw error })
  }

  /** Sends a request. Resolves at the head of a stream, or at the end of any other response. */
  async request () {
    this.#send()
    await new Promise(resolve => { this.#onResponse = resolve })
  }

  startPolling (at) {
    this.#nextRequestAt = at
  }

  /** Sends a request if it is due and none is pending. Requests that were missed in the meantime are skipped. */
  poll (at, interval) {
    if (at < this.#nextRequestAt || this.#pending) return
    this.#nextRequestAt = Math.max(this.#nextRequestAt + interval, at)
    this.#send()
  }

  /** Adds the ages of the current data, up to a time. */
  addAges (at) {
    if (this.#publishedAt === undefined) throw new Error('A client has not received any event')
    const from = Math.max(this.#receivedAt, measurement.startedAt)
    measurement.ages.add(from - this.#publishedAt, at - this.#publishedAt)
  }

  #send () {
    this.#pending = true
    this.#missingBytes = undefined
    this.#socket.write(this.#request, 'latin1')
    if (measurement === undefined) return
    measurement.requests++
    measurement.bytesSent += this.#request.length
  }

  #read (length) {
    if (measurement !== undefined) measurement.bytesReceived += length
    this.#readNewestEvent(length)
    if (this.#pending) this.#readResponse(length)
  }

  /** The last event in the data is the newest one. */
  #readNewestEvent (length) {
    const mark = BUFFER.lastIndexOf(MARK, length - 1)
    if (mark === -1) return
    let publishedAt = 0
    let end = mark + 1
    for (; end < length && BUFFER[end] >= DIGIT_0 && BUFFER[end] < DIGIT_0 + 10; end++) publishedAt = publishedAt * 10 + BUFFER[end] - DIGIT_0
    // Nothing has been published yet, the event is known, or the timestamp is incomplete.
    if (publishedAt === 0 || publishedAt === this.#publishedAt || end === length) return
    const at = now()
    if (measurement !== undefined) {
      this.addAges(at)
      measurement.eventsSeen++
    }
    this.#publishedAt = publishedAt
    this.#receivedAt = at
  }

  #readResponse (length) {
    if (this.#missingBytes === undefined) {
      const end = BUFFER.subarray(0, length).indexOf(HEAD_END)
      if (end === -1) throw new Error('The head of a response was split')
      const head = BUFFER.latin1Slice(0, end)
      if (!head.startsWith('HTTP/1.1 200')) throw new Error(`A request failed: ${head}`)
      const size = /content-length: (\d+)/i.exec(head)?.[1]
      // A stream has no Content-Length; its response is complete with the head.
      this.#missingBytes = size === undefined ? length : end + HEAD_END.length + Number(size)
    }
    this.#missingBytes -= length
    if (this.#missingBytes > 0) return
    this.#pending = false
    this.#onResponse?.()
  }
}

export const pollingTasks = {
  /**
   * Connects clients and starts polling.
   *
   * @param interval milliseconds between two requests of a client; undefined for a stream
   */
  async startClients ({ port, path, interval, count }) {
    await repeat(count, 50, async () => {
      const client = new Client(port, path)
      for (let times = interval === undefined ? 1 : WARM_UP_REQUESTS; times > 0; times--) await client.request()
      clients.push(client)
    })
    if (interval === undefined) return {}
    const start = now()
    // Requests are spread over the interval.
    for (const [index, client] of clients.entries()) client.startPolling(start + index / count * interval * 1_000)
    setInterval(() => { for (const client of clients) client.poll(now(), interval * 1_000) }, CHECK_INTERVAL)
    return {}
  },

  startMeasurement () {
    measurement = new Measurement()
    return {}
  },

  /**
   * @returns the duration in seconds, totals over all clients (bytes include heads), and the mean and percentiles of the
   *   data age in milliseconds
   */
  finishMeasurement () {
    const at = now()
    for (const client of clients) client.addAges(at)
    const { startedAt, ages, ...totals } = measurement
    return { seconds: (at - startedAt) / 1e6, ...totals, ...ages.statistics() }
  }
}
