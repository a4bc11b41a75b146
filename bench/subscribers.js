/** Subscribers, as many as one process can run: they count events without parsing them. */
import { MARK, MIN_SIZE, now } from './event-data.js'
import { get, HEAD_END, receive, repeat } from './http-client.js'
import { sleep } from './processes.js'
import { percentiles } from './statistics.js'

/** Shared by all connections, because each read is processed before the next one. */
const BUFFER = Buffer.alloc(64 * 1_024)
/** One of this many subscribers measures latency. */
const SAMPLING = 10
/** Milliseconds without any event after which the remaining ones are missing. */
const QUIET = 2_000
const DIGIT_0 = 0x30

const subscribers = new Set()
const stalled = []
let opened = 0
let received = 0
let expected = 0
let receivedAt = 0
let onReceived
/** Milliseconds from published to received. */
let latencies = []

/** Counts the events in the buffer. @param sampled whether to measure their latency */
function count (length, sampled) {
  for (let at = 0; at < length; at++) {
    if (BUFFER[at] !== MARK) continue
    received++
    if (sampled) sampleLatency(at + 1, length)
    // The rest of the data contains no mark.
    at += MIN_SIZE - 1
  }
  receivedAt = now()
  if (received >= expected) onReceived?.()
}

/** Reads the timestamp at a position, if there is one and it is complete. */
function sampleLatency (from, length) {
  let sentAt = 0
  let at = from
  for (; at < length && BUFFER[at] >= DIGIT_0 && BUFFER[at] < DIGIT_0 + 10; at++) sentAt = sentAt * 10 + BUFFER[at] - DIGIT_0
  if (at > from && at < length) latencies.push((now() - sentAt) / 1_000)
}

async function subscribe (port) {
  const sampled = opened++ % SAMPLING === 0
  await new Promise(resolve => {
    let inHead = true
    const callback = length => {
      if (inHead && BUFFER.subarray(0, length).includes(HEAD_END)) {
        inHead = false
        resolve()
      }
      count(length, sampled)
      return true
    }
    const socket = get(port, '/subscribe', { onread: { buffer: BUFFER, callback } })
    subscribers.add(socket)
    // A server may drop a slow subscriber; its events then count as missing.
    socket.on('error', () => {})
    socket.on('close', () => { subscribers.delete(socket) })
  })
}

async function subscribeStalled (port) {
  const socket = get(port, '/subscribe')
  stalled.push(socket)
  socket.on('error', () => {})
  await receive(socket, received => received.includes(HEAD_END))
  socket.pause()
}

export const subscriberTasks = {
  /** Opens further subscriptions, until there are `count` of them. @returns the number of new ones */
  async subscribe ({ port, count }) {
    const added = count - subscribers.size
    await repeat(added, 50, async () => await subscribe(port))
    return { added }
  },

  /** Opens subscriptions that read only the response head. */
  async subscribeStalled ({ port, count }) {
    await repeat(count, 1, async () => await subscribeStalled(port))
    return {}
  },

  /** Ends all subscriptions. */
  async unsubscribe () {
    for (const socket of [...subscribers, ...stalled.splice(0)]) socket.destroy()
    while (subscribers.size > 0) await sleep(1)
    return {}
  },

  /** Waits for a number of further events. @returns how many of them are missing, and when the last one was received */
  async receiveEvents ({ events }) {
    expected += events
    if (received < expected) {
      await new Promise(resolve => {
        let before = received
        const quietTimer = setInterval(() => {
          if (received === before) onReceived()
          before = received
        }, QUIET)
        onReceived = () => {
          clearInterval(quietTimer)
          onReceived = undefined
          resolve()
        }
      })
    }
    const missing = expected - received
    expected = received
    return { missing, receivedAt }
  },

  /** @returns percentiles in milliseconds since the last call */
  takeLatencies () {
    const taken = latencies
    latencies = []
    return percentiles(taken)
  }
}
