import { percentiles } from '../figures.js'

export { model, options } from '../relay.js'

/** Deltas that have come when a client leaves in the middle. */
const MIDDLE = 2

export const title = 'From a client\'s leaving a relay to the end of the connection to the model'
export const columns = ['before the first token, p50, ms', 'p99', 'in the middle, p50, ms', 'p99']
export const contestants = ['relay-direct', 'relay-plain']
export const turns = 3
export const warmUp = 1

/** So many come and leave, one after the other. @returns percentiles in milliseconds */
async function departures ({ load, model }, count, visit) {
  const took = []
  for (let left = count; left > 0; left--) {
    await load('visit', { path: '/relay', ...visit })
    await model('asked')
    const { leftAt } = await load('depart')
    took.push((await model('left')).leftAt - leftAt)
  }
  const { p50, p99 } = percentiles(took)
  return [p50 / 1_000, p99 / 1_000]
}

export async function round (tools, { quick }) {
  const count = quick ? 20 : 200
  return [
    ...await departures(tools, count, { tokens: 0, deltas: 0 }),
    ...await departures(tools, count, { tokens: 64, deltas: MIDDLE })
  ]
}
