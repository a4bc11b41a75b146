import { subscribe } from '../fan-out-scenario.js'

export { contestants, options } from '../fan-out-scenario.js'

const SUBSCRIBERS = 2_000
const SIZE = 64
/** Maximum 99th percentile of the latency in milliseconds. */
const MAX_P99 = 100
/** Events per second at which the search for the highest rate starts, and the ratio at which it stops. */
const LOWEST_RATE = 8
const PRECISION = 1.1
/** High enough not to limit the rate. */
const CONNECTIONS = 256

export const title = 'Events of 64 B posted by another process, to 2,000 subscribers'
export const columns = ['deliveries/s, 64 posts in flight', 'events/s with p99 below 100 ms']
export const baseline = 'socket-loop'
export const turns = 1

/** @returns deliveries per second, with 64 posts in flight */
async function postUnlimited ({ clients, publisher }, ms) {
  const { posts, startedAt } = await publisher('postUnlimited', { ms, size: SIZE, connections: 64 })
  const { missing, receivedAt } = await clients('receiveEvents', { events: posts * SUBSCRIBERS })
  return (posts * SUBSCRIBERS - missing) / (receivedAt - startedAt) * 1e6
}

/** Whether the server sustains a rate: it delivers every event, and the latency is low enough. */
async function sustainsOnce (tools, rate, ms) {
  const { clients, publisher } = tools
  // Replaces the subscribers that were dropped.
  await subscribe(tools, SUBSCRIBERS)
  await clients('takeLatencies')
  const { posts, rateKept } = await publisher('postAtRate', { rate, ms, size: SIZE, connections: CONNECTIONS, maxPending: Math.max(16, rate / 2) })
  const { missing } = await clients('receiveEvents', { events: posts * SUBSCRIBERS })
  const { p99 } = await clients('takeLatencies')
  return rateKept && missing === 0 && p99 < MAX_P99
}

/** Makes three attempts, because the machine may have been busy with something else. */
async function sustains (tools, rate, ms) {
  return await sustainsOnce(tools, rate, ms) || await sustainsOnce(tools, rate, ms) || await sustainsOnce(tools, rate, ms)
}

/** @returns the highest rate that the server sustains, to within a tenth; 0 if it does not sustain the lowest one */
async function highestRate (tools, ms) {
  let [sustained, tooHigh] = [0, LOWEST_RATE]
  while (await sustains(tools, tooHigh, ms)) [sustained, tooHigh] = [tooHigh, 2 * tooHigh]
  while (sustained > 0 && tooHigh / sustained > PRECISION) {
    const rate = Math.sqrt(sustained * tooHigh)
    if (await sustains(tools, rate, ms)) sustained = rate
    else tooHigh = rate
  }
  return sustained
}

export async function round (tools, { quick }) {
  await subscribe(tools, SUBSCRIBERS)
  // Warm-up: V8 has to compile the code of a new server.
  await postUnlimited(tools, 500)
  const deliveries = await postUnlimited(tools, quick ? 1_000 : 3_000)
  return [deliveries, await highestRate(tools, quick ? 500 : 1_000)]
}
