import { subscribe } from '../fan-out.js'

export { contestants, options } from '../fan-out.js'

const SUBSCRIBERS = 2_000
const SIZE = 64
/** Milliseconds within which 99 of 100 deliveries have to be made. */
const WITHIN = 100
/** Events a second at which the search begins, and how close it comes. */
const SLOWEST = 8
const CLOSE = 1.1
/** So many that they are not what a rate ends at. */
const CONNECTIONS = 256

export const title = 'Events of 64 B that another process posts, to 2,000 subscribers'
export const columns = ['deliveries/s, 64 posts in flight', 'events/s with p99 below 100 ms']
export const baseline = 'socket-loop'
export const turns = 1

/** @returns deliveries a second, with so many posts in flight */
async function flood ({ load, post }, ms) {
  const { posts, startedAt } = await post('flood', { ms, size: SIZE, connections: 64 })
  const { missing, receivedAt } = await load('receive', { events: posts * SUBSCRIBERS })
  return (posts * SUBSCRIBERS - missing) / (receivedAt - startedAt) * 1e6
}

/** Whether a rate is kept up: every event is delivered, and nearly all of them soon. */
async function keepsUp (tools, rate, ms) {
  const { load, post } = tools
  // Who was dropped comes back.
  await subscribe(tools, SUBSCRIBERS)
  await load('latencies')
  const { posts, kept } = await post('steady', { rate, ms, size: SIZE, connections: CONNECTIONS, most: Math.max(16, rate / 2) })
  const { missing } = await load('receive', { events: posts * SUBSCRIBERS })
  const { p99 } = await load('latencies')
  return kept && missing === 0 && p99 < WITHIN
}

/** Whether it does once in three times: the machine may have been busy otherwise. */
async function keeps (tools, rate, ms) {
  return await keepsUp(tools, rate, ms) || await keepsUp(tools, rate, ms) || await keepsUp(tools, rate, ms)
}

/** @returns the highest rate that is kept up, to within a tenth; 0 where the slowest is not */
async function highestRate (tools, ms) {
  let [kept, lost] = [0, SLOWEST]
  while (await keeps(tools, lost, ms)) [kept, lost] = [lost, 2 * lost]
  while (kept > 0 && lost / kept > CLOSE) {
    const rate = Math.sqrt(kept * lost)
    if (await keeps(tools, rate, ms)) kept = rate
    else lost = rate
  }
  return kept
}

export async function round (tools, { quick }) {
  await subscribe(tools, SUBSCRIBERS)
  // A new server's code has to be compiled first.
  await flood(tools, 500)
  const rate = await flood(tools, quick ? 1_000 : 3_000)
  return [rate, await highestRate(tools, quick ? 500 : 1_000)]
}
