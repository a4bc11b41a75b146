import { deliverWorkloads, subscribe, workloadColumns } from '../fan-out-scenario.js'

export { contestants, options } from '../fan-out-scenario.js'

const SUBSCRIBERS = 200

export const title = 'Events published to 200 subscribers'
export const columns = workloadColumns
export const baseline = 'socket-loop'
export const turns = 7
export const warmUp = 1

export async function round (tools, { quick }) {
  await subscribe(tools, SUBSCRIBERS)
  return await deliverWorkloads(tools, SUBSCRIBERS, quick ? 40 : 200)
}
