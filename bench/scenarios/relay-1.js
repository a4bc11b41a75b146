import { relaySequential } from '../relay-scenario.js'

export { baseline, columns, compared, contestants, model, options, summarize } from '../relay-scenario.js'

export const title = 'One answer of a model at a time, relayed: time added by the relay'
export const turns = 4
export const warmUp = 0

export async function round (tools, { quick }) {
  return await (quick ? relaySequential(tools, 1, 50) : relaySequential(tools, 4, 200))
}
