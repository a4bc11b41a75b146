import { deliverWorkloads, subscribe, workloadColumns } from '../fan-out-scenario.js'

export { options } from '../fan-out-scenario.js'

const SUBSCRIBERS = 2_000

export const title = 'Events published to 2,000 subscribers of one node, in memory and through Redis; CPU is that of the node'
export const contestants = ['ours', 'ours-redis']
export const columns = workloadColumns
export const baseline = 'ours'
export const turns = 5
export const warmUp = 1

export async function round (tools, { quick }) {
  await subscribe(tools, SUBSCRIBERS)
  return await deliverWorkloads(tools, SUBSCRIBERS, quick ? 10 : 20)
}
