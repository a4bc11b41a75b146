import { deliverWorkloads, subscribe, workloadColumns } from '../fan-out-scenario.js'

export { contestants, options } from '../fan-out-scenario.js'

const SUBSCRIBERS = 2_000

export const title = 'Events published to 2,000 subscribers'
export const columns = workloadColumns
export const baseline = 'socket-loop'
export const turns = 5
export const warmUp = 1

export async function round (tools, { quick }) {
  await subscribe(tools, SUBSCRIBERS)
  return await deliverWorkloads(tools, SUBSCRIBERS, quick ? 10 : 20)
}
