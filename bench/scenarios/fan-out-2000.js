import { kinds, subscribe } from '../fan-out.js'

export { contestants, options } from '../fan-out.js'

const SUBSCRIBERS = 2_000

export const title = 'Events published to 2,000 subscribers'
export const columns = kinds.columns
export const baseline = 'socket-loop'
export const turns = 5
export const warmUp = 1

export async function round (tools, { quick }) {
  await subscribe(tools, SUBSCRIBERS)
  return await kinds.deliver(tools, SUBSCRIBERS, quick ? 10 : 20)
}
