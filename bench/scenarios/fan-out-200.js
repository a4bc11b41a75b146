import { kinds, subscribe } from '../fan-out.js'

export { contestants, options } from '../fan-out.js'

const SUBSCRIBERS = 200

export const title = 'Events published to 200 subscribers'
export const columns = kinds.columns
export const baseline = 'socket-loop'
export const turns = 7
export const warmUp = 1

export async function round (tools, { quick }) {
  await subscribe(tools, SUBSCRIBERS)
  return await kinds.deliver(tools, SUBSCRIBERS, quick ? 40 : 200)
}
