import { deliver, deliverWorkloads, subscribe, workloadColumns } from '../fan-out-scenario.js'

export { contestants, options } from '../fan-out-scenario.js'

const FEW = 200
const MANY = 15_000

export const title = 'Events published to 15,000 subscribers'
export const columns = [...workloadColumns, 'CPU per delivery relative to 200 subscribers, 64 B']
export const baseline = 'socket-loop'
export const turns = 2

export async function round (tools, { quick }) {
  const many = quick ? MANY / 10 : MANY
  const workload = { size: 64, perTurn: 1 }
  await subscribe(tools, FEW)
  // Warm-up: V8 has to compile the code of a new server.
  await deliver(tools, FEW, { ...workload, count: quick ? 50 : 200 })
  const [few] = await deliver(tools, FEW, { ...workload, count: quick ? 50 : 400 })
  await subscribe(tools, many)
  const row = await deliverWorkloads(tools, many, 6)
  return [...row, row[0] / few]
}
