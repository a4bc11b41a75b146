import { kinds, subscribe } from '../fan-out.js'

export { options } from '../fan-out.js'

const SUBSCRIBERS = 2_000

export const title = 'Events published to 2,000 subscribers of a node, in its memory and by way of Redis; CPU is the node\'s'
export const contestants = ['ours', 'ours-redis']
export const columns = kinds.columns
export const baseline = 'ours'
export const turns = 5
export const warmUp = 1

export async function round (tools, { quick }) {
  await subscribe(tools, SUBSCRIBERS)
  return await kinds.deliver(tools, SUBSCRIBERS, quick ? 10 : 20)
}
