import { withFault } from '../faults.js'

export { columns, contestants, summarize, turns } from '../faults.js'

export const title = 'Three nodes that are cut off from Redis for 400 ms, at 150 events a second to 60 clients: counted, over all rounds'

export async function round (tools, values) {
  return await withFault(tools, values, ['cut', { ms: 400 }])
}
