import { relayConcurrent } from '../relay-scenario.js'

export { baseline, columns, compared, contestants, model, options, summarize } from '../relay-scenario.js'

export const title = '500 concurrent answers of a model, relayed: time added by the relay'
export const turns = 4
export const warmUp = 1

export async function round (tools, { quick }) {
  return await relayConcurrent(tools, 500, quick ? 1 : 3)
}
