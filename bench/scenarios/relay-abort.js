import { percentiles } from '../statistics.js'

export { model, options } from '../relay-scenario.js'

/** Deltas received before a client disconnects in the middle of an answer. */
const DELTAS_BEFORE_DISCONNECT = 2

export const title = 'Time from a client\'s disconnect to the end of the connection to the model'
export const columns = ['before the first token, p50, ms', 'p99', 'in the middle, p50, ms', 'p99']
export const contestants = ['relay-direct', 'relay-plain']
export const turns = 3
export const warmUp = 1

/** Clients disconnect one after another. @returns percentiles in milliseconds */
async function measureDisconnects ({ clients, model }, count, answer) {
  const times = []
  for (let remaining = count; remaining > 0; remaining--) {
    await clients('startAnswer', { path: '/relay', ...answer })
    await model('waitForRequest')
    const { disconnectedAt } = await clients('disconnect')
    times.push((await model('waitForDisconnect')).disconnectedAt - disconnectedAt)
  }
  const { p50, p99 } = percentiles(times)
  return [p50 / 1_000, p99 / 1_000]
}

export async function round (tools, { quick }) {
  const count = quick ? 20 : 200
  return [
    ...await measureDisconnects(tools, count, { tokens: 0, deltas: 0 }),
    ...await measureDisconnects(tools, count, { tokens: 64, deltas: DELTAS_BEFORE_DISCONNECT })
  ]
}
