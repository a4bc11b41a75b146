import { deliver, kinds, subscribe } from '../fan-out.js'

export { contestants, options } from '../fan-out.js'

const FEW = 200
const MANY = 15_000

export const title = 'Events published to 15,000 subscribers'
export const columns = [...kinds.columns, 'times the CPU a delivery to 200, 64 B']
export const baseline = 'socket-loop'
export const turns = 2

export async function round (tools, { quick }) {
  const many = quick ? MANY / 10 : MANY
  const one = { size: 64, perTurn: 1 }
  await subscribe(tools, FEW)
  // A new server's code has to be compiled first.
  await deliver(tools, FEW, { ...one, count: quick ? 50 : 200 })
  const [few] = await deliver(tools, FEW, { ...one, count: quick ? 50 : 400 })
  await subscribe(tools, many)
  const row = await kinds.deliver(tools, many, 6)
  return [...row, row[0] / few]
}
