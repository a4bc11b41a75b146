import { deliver, subscribe } from '../fan-out.js'
import { medians } from '../figures.js'

export { contestants, options } from '../fan-out.js'

const SUBSCRIBERS = 200
const STALLED = SUBSCRIBERS / 100
const RATE = 100
/** What fills the buffers of those who do not read: more than the system has for a connection. */
const FILLING = { count: 1_024, size: 16 * 1_024, perTurn: 1 }

export const title = 'From published to received: 200 subscribers, 100 events a second of 64 B'
export const columns = ['p50, ms', 'p99, ms', 'p50 beside 1 % stalled', 'p99 beside 1 % stalled', 'p99 changes by, %', 'range of p99 over rounds, %']
export const turns = 4
export const warmUp = 0

async function latencies (tools, ms) {
  const { ask, load } = tools
  await subscribe(tools, SUBSCRIBERS)
  // A new server's code has to be compiled first.
  await deliver(tools, SUBSCRIBERS, { count: 50, size: 64, perTurn: 1 })
  const { events } = await ask('steady', { rate: RATE, ms, size: 64 })
  const { missing } = await load('receive', { events: events * SUBSCRIBERS })
  if (missing !== 0) throw new Error(`${missing} events are missing`)
  const { p50, p99 } = await load('latencies')
  return [p50, p99]
}

export async function round (tools, { quick }) {
  const { ask, load } = tools
  const ms = quick ? 1_000 : 2_000
  const alone = await latencies(tools, ms)
  await load('leave')
  await load('stall', { count: STALLED })
  await ask('publish', FILLING)
  const beside = await latencies(tools, ms)
  await load('leave')
  return [...alone, ...beside]
}

/** Over the rounds, which alone can tell by how much they differ. */
export function summarize (rows) {
  const p99s = rows.map(([, p99]) => p99)
  const row = medians(rows)
  const [, p99, , p99Beside] = row
  return [...row, (p99Beside / p99 - 1) * 100, (Math.max(...p99s) - Math.min(...p99s)) / p99 * 100]
}
