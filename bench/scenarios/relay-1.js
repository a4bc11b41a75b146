import { relayOne } from '../relay.js'

export { baseline, columns, compared, contestants, model, options, summarize } from '../relay.js'

export const title = 'One answer of a model at a time, relayed: what the relay adds'
export const turns = 4
export const warmUp = 0

export async function round (tools, { quick }) {
  return await (quick ? relayOne(tools, 1, 50) : relayOne(tools, 4, 200))
}
