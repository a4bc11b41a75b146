import { relay } from '../relay.js'

export { baseline, columns, compared, contestants, model, options, summarize } from '../relay.js'

export const title = '100 answers of a model at a time, relayed: what the relay adds'
export const turns = 4
export const warmUp = 1

export async function round (tools, { quick }) {
  return await relay(tools, 100, quick ? 1 : 3)
}
