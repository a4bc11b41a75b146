/** Subscribers, as many as one process can be: they count the events that come, and do not parse them. */
import { ask, HEAD_END, several, until } from './client.js'
import { LEAST, MARK, now } from './event.js'
import { percentiles } from './figures.js'
import { sleep } from './processes.js'

/** All read into this one: each read is over before the next begins. */
const BUFFER = Buffer.alloc(64 * 1_024)
/** One subscriber of so many looks at when events were published. */
const SAMPLED = 10
/** Milliseconds without any event after which no more are waited for. */
const QUIET = 2_000
const ZERO = 0x30

const subscribers = new Set()
const stalled = []
let opened = 0
let received = 0
let expected = 0
let receivedAt = 0
let onReceived
/** Milliseconds from published to received. */
let latencies = []

/** @param sampled whether to look at when events were published */
function count (length, sampled) {
  for (let at = 0; at < length; at++) {
    if (BUFFER[at] !== MARK) continue
    received++
    if (sampled) sample(at + 1, length)
    // The rest is filling.
    at += LEAST - 1
  }
  receivedAt = now()
  if (received >= expected) onReceived?.()
}

/** Reads the moment that stands there, if any does, and all of it has come. */
function sample (from, length) {
  let sentAt = 0
  let at = from
  for (; at < length && BUFFER[at] >= ZERO && BUFFER[at] < ZERO + 10; at++) sentAt = sentAt * 10 + BUFFER[at] - ZERO
  if (at > from && at < length) latencies.push((now() - sentAt) / 1_000)
}

async function subscribe (port) {
  const sampled = opened++ % SAMPLED === 0
  await new Promise(resolve => {
    let head = true
    const callback = length => {
      if (head && BUFFER.subarray(0, length).includes(HEAD_END)) {
        head = false
        resolve()
      }
      count(length, sampled)
      return true
    }
    const socket = ask(port, '/subscribe', { onread: { buffer: BUFFER, callback } })
    subscribers.add(socket)
    // A server may drop who is slow: then events are missing.
    socket.on('error', () => {})
    socket.on('close', () => { subscribers.delete(socket) })
  })
}

async function stall (port) {
  const socket = ask(port, '/subscribe')
  stalled.push(socket)
  socket.on('error', () => {})
  await until(socket, seen => seen.includes(HEAD_END))
  socket.pause()
}

export const subscribing = {
  /** Opens subscriptions that stay, up to a number. @returns how many it took */
  async subscribe ({ port, count }) {
    const more = count - subscribers.size
    await several(more, 50, async () => await subscribe(port))
    return { more }
  },

  /** Opens some that read no more than the head. */
  async stall ({ port, count }) {
    await several(count, 1, async () => await stall(port))
    return {}
  },

  /** Ends all subscriptions. */
  async leave () {
    for (const socket of [...subscribers, ...stalled.splice(0)]) socket.destroy()
    while (subscribers.size > 0) await sleep(1)
    return {}
  },

  /** Until so many more events have come. @returns how many are missing, and when the last came */
  async receive ({ events }) {
    expected += events
    if (received < expected) {
      await new Promise(resolve => {
        let before = received
        const quiet = setInterval(() => {
          if (received === before) onReceived()
          before = received
        }, QUIET)
        onReceived = () => {
          clearInterval(quiet)
          onReceived = undefined
          resolve()
        }
      })
    }
    const missing = expected - received
    expected = received
    return { missing, receivedAt }
  },

  /** @returns half of them, and 99 of 100, were received within so many milliseconds; since it was last asked */
  latencies () {
    const taken = latencies
    latencies = []
    return percentiles(taken)
  }
}
