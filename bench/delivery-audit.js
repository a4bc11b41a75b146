/** Numbered events, published and counted to find lost and duplicated ones. */
import { EventSource } from 'eventsource'
import { publishAtRate } from './event-data.js'
import { sleep } from './processes.js'

/** Milliseconds before a failed post is retried. */
const RETRY_DELAY = 50
/** Milliseconds without an event after which the remaining ones are lost; longer than a client waits before it reconnects. */
const QUIET = 6_000

/** Posts an event until it is published. @returns the number of retries */
async function post (port, number) {
  for (let retries = 0; ; retries++) {
    try {
      const { ok } = await fetch(`http://127.0.0.1:${port}/publish`, { method: 'POST', headers: { 'content-type': 'text/plain', 'idempotency-key': number }, body: number })
      if (ok) return retries
    } catch {
      // The node was killed.
    }
    await sleep(RETRY_DELAY)
  }
}

export const auditPublisherTasks = {
  /** @returns the number of events, and of retries */
  async postNumbered ({ port, rate, ms }) {
    const posts = []
    await publishAtRate({ rate, ms }, () => { posts.push(post(port, `${posts.length}`)) })
    const retries = await Promise.all(posts)
    return { events: posts.length, retries: retries.reduce((sum, count) => sum + count) }
  }
}

/** Counts the events of one client, which is an independent implementation that reconnects by itself. */
class AuditedClient {
  /** How often each event was received. */
  counts = new Map()
  gapReported = false
  opened = 0
  lastEventAt = performance.now()
  longestSilence = 0

  constructor (port) {
    this.source = new EventSource(`http://127.0.0.1:${port}/subscribe`)
    this.ready = new Promise(resolve => { this.source.addEventListener('sse-ready', resolve, { once: true }) })
    this.source.addEventListener('open', () => { this.opened++ })
    for (const type of ['sse-gap', 'sse-reset']) this.source.addEventListener(type, () => { this.gapReported = true })
    this.source.addEventListener('message', ({ data }) => {
      const now = performance.now()
      this.longestSilence = Math.max(this.longestSilence, now - this.lastEventAt)
      this.lastEventAt = now
      this.counts.set(data, (this.counts.get(data) ?? 0) + 1)
    })
  }
}

let clients = []

export const auditTasks = {
  async startAudit ({ port, clients: count }) {
    clients = Array.from({ length: count }, () => new AuditedClient(port))
    await Promise.all(clients.map(async ({ ready }) => await ready))
    for (const client of clients) client.lastEventAt = performance.now()
    return {}
  },

  /** Waits for the given number of events, or until no more arrive. @returns totals over all clients */
  async finishAudit ({ events }) {
    const isComplete = ({ counts }) => counts.size === events
    const start = performance.now()
    while (!clients.every(isComplete) && performance.now() - Math.max(start, ...clients.map(({ lastEventAt }) => lastEventAt)) < QUIET) await sleep(50)
    // A duplicate may arrive late.
    await sleep(500)
    const sum = valueOf => clients.reduce((total, client) => total + valueOf(client), 0)
    const received = ({ counts }) => [...counts.values()].reduce((total, times) => total + times, 0)
    for (const { source } of clients) source.close()
    return {
      lost: sum(({ counts }) => events - counts.size),
      duplicated: sum(client => received(client) - client.counts.size),
      gapsReported: sum(({ gapReported }) => Number(gapReported)),
      reconnects: sum(({ opened }) => opened - 1),
      longestSilence: Math.max(...clients.map(({ longestSilence }) => longestSilence))
    }
  }
}
