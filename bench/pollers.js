/** Clients that want to know what was published last: they are told, or ask at an interval. */
import net from 'node:net'
import { Ages } from './ages.js'
import { HEAD_END, several } from './client.js'
import { MARK, now } from './event.js'

/** All read into this one: each read is over before the next begins. */
const BUFFER = Buffer.alloc(64 * 1_024)
/** Milliseconds between two looks at who is to ask. */
const LOOK = 1
const ZERO = 0x30
/** Requests of each client before anything is measured: a new server's code has to be compiled. */
const FIRST = 5

const clients = []
/** What is measured, if anything is. */
let watched

/** What has happened since a moment. */
class Watch {
  at = now()
  ages = new Ages()
  requests = 0
  received = 0
  sent = 0
  events = 0
}

/** A client on a connection that is kept. */
class Client {
  /** When it is to ask next, by `now`. */
  #dueAt
  #socket
  #request
  #asked = false
  /** Bytes of the answer that have not come yet; undefined before its head. */
  #left
  #onAnswer
  /** When what it knows was published, and when it was learned. */
  #knows
  #knowsAt

  constructor (port, path) {
    this.#request = `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`
    const callback = length => {
      this.#take(length)
      return true
    }
    this.#socket = net.connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer: BUFFER, callback } })
    this.#socket.on('error', error => { throw error })
  }

  /** Asks, and waits for the head of a stream, or the whole of an answer. */
  async answer () {
    this.#ask()
    await new Promise(resolve => { this.#onAnswer = resolve })
  }

  /** Is to ask at an interval from then on, in microseconds. */
  begin (at) {
    this.#dueAt = at
  }

  /** Asks where it is time to, and never twice at a time: what could not be asked for then is not made up for. */
  look (at, interval) {
    if (at < this.#dueAt || this.#asked) return
    this.#dueAt = Math.max(this.#dueAt + interval, at)
    this.#ask()
  }

  /** Has its age counted up to a moment. */
  account (at) {
    if (this.#knows === undefined) throw new Error('a client has learned nothing')
    const from = Math.max(this.#knowsAt, watched.at)
    watched.ages.add(from - this.#knows, at - this.#knows)
  }

  #ask () {
    this.#asked = true
    this.#left = undefined
    this.#socket.write(this.#request, 'latin1')
    if (watched === undefined) return
    watched.requests++
    watched.sent += this.#request.length
  }

  #take (length) {
    if (watched !== undefined) watched.received += length
    this.#learn(length)
    if (this.#asked) this.#await(length)
  }

  /** What was published last is last in what was read. */
  #learn (length) {
    const mark = BUFFER.lastIndexOf(MARK, length - 1)
    if (mark === -1) return
    let published = 0
    let end = mark + 1
    for (; end < length && BUFFER[end] >= ZERO && BUFFER[end] < ZERO + 10; end++) published = published * 10 + BUFFER[end] - ZERO
    // Nothing was published yet, or it has not all come.
    if (published === 0 || published === this.#knows || end === length) return
    const at = now()
    if (watched !== undefined) {
      this.account(at)
      watched.events++
    }
    this.#knows = published
    this.#knowsAt = at
  }

  #await (length) {
    if (this.#left === undefined) {
      const end = BUFFER.subarray(0, length).indexOf(HEAD_END)
      if (end === -1) throw new Error('a head came in pieces')
      const head = BUFFER.latin1Slice(0, end)
      if (!head.startsWith('HTTP/1.1 200')) throw new Error(`answered with ${head}`)
      const size = /content-length: (\d+)/i.exec(head)?.[1]
      // A stream has none, and its head is the answer.
      this.#left = size === undefined ? length : end + HEAD_END.length + Number(size)
    }
    this.#left -= length
    if (this.#left > 0) return
    this.#asked = false
    this.#onAnswer?.()
  }
}

export const polling = {
  /** Clients come, and stay. @param interval milliseconds from one request of a client to the next; without, it is told */
  async come ({ port, path, interval, count }) {
    await several(count, 50, async () => {
      const client = new Client(port, path)
      for (let times = interval === undefined ? 1 : FIRST; times > 0; times--) await client.answer()
      clients.push(client)
    })
    if (interval === undefined) return {}
    const start = now()
    // They do not all ask at the same moment.
    for (const [index, client] of clients.entries()) client.begin(start + index / count * interval * 1_000)
    setInterval(() => { for (const client of clients) client.look(now(), interval * 1_000) }, LOOK)
    return {}
  },

  /** From here on, it is measured. */
  watch () {
    watched = new Watch()
    return {}
  },

  /**
   * @returns for how many seconds it was; requests and bytes, those of the heads included; of how many events clients
   *   have learned, all together; and how old what they knew was, in milliseconds
   */
  figures () {
    const at = now()
    for (const client of clients) client.account(at)
    const { requests, received, sent, events, ages } = watched
    return { seconds: (at - watched.at) / 1e6, requests, received, sent, events, ...ages.figures() }
  }
}
