/** Events that are numbered, so that each can be missed: how they are published, and who follows them. */
import { EventSource } from 'eventsource'
import { steadily } from './event.js'
import { sleep } from './processes.js'

/** Milliseconds until a post is repeated that has failed. */
const PAUSE = 50
/** Milliseconds without any event after which no more are waited for: longer than a client waits before it asks again. */
const QUIET = 6_000

/** Posts an event until it is published. @returns how often it had to be repeated */
async function post (port, number) {
  for (let repeated = 0; ; repeated++) {
    try {
      const { ok } = await fetch(`http://127.0.0.1:${port}/publish`, { method: 'POST', headers: { 'content-type': 'text/plain', 'idempotency-key': number }, body: number })
      if (ok) return repeated
    } catch {
      // The node that was asked is gone.
    }
    await sleep(PAUSE)
  }
}

export const numbered = {
  /** @returns how many were published, and how often a post had to be repeated */
  async numbered ({ port, rate, ms }) {
    const posts = []
    await steadily({ rate, ms }, () => { posts.push(post(port, `${posts.length}`)) })
    const repeated = await Promise.all(posts)
    return { events: posts.length, repeated: repeated.reduce((sum, times) => sum + times) }
  }
}

/** Who counts, by a client that comes back by itself and was made by others. */
class Follower {
  /** How often each event has come. */
  counts = new Map()
  told = false
  opened = 0
  lastAt = performance.now()
  silence = 0

  constructor (port) {
    this.source = new EventSource(`http://127.0.0.1:${port}/subscribe`)
    this.ready = new Promise(resolve => { this.source.addEventListener('sse-ready', resolve, { once: true }) })
    this.source.addEventListener('open', () => { this.opened++ })
    for (const type of ['sse-gap', 'sse-reset']) this.source.addEventListener(type, () => { this.told = true })
    this.source.addEventListener('message', ({ data }) => {
      const now = performance.now()
      this.silence = Math.max(this.silence, now - this.lastAt)
      this.lastAt = now
      this.counts.set(data, (this.counts.get(data) ?? 0) + 1)
    })
  }
}

let followers = []

export const following = {
  async follow ({ port, clients }) {
    followers = Array.from({ length: clients }, () => new Follower(port))
    await Promise.all(followers.map(async ({ ready }) => await ready))
    for (const follower of followers) follower.lastAt = performance.now()
    return {}
  },

  /** @returns what came of so many events, once nothing more comes */
  async followed ({ events }) {
    const whole = ({ counts }) => counts.size === events
    const since = performance.now()
    while (!followers.every(whole) && performance.now() - Math.max(since, ...followers.map(({ lastAt }) => lastAt)) < QUIET) await sleep(50)
    // What comes twice may come late.
    await sleep(500)
    const sum = of => followers.reduce((total, follower) => total + of(follower), 0)
    const received = ({ counts }) => [...counts.values()].reduce((total, times) => total + times, 0)
    for (const { source } of followers) source.close()
    return {
      lost: sum(({ counts }) => events - counts.size),
      doubled: sum(follower => received(follower) - follower.counts.size),
      told: sum(({ told }) => Number(told)),
      again: sum(({ opened }) => opened - 1),
      silence: Math.max(...followers.map(({ silence }) => silence))
    }
  }
}
