import { withFault } from '../fault-scenario.js'

export { columns, contestants, summarize, turns } from '../fault-scenario.js'

export const title = 'One of three nodes is killed, at 150 events per second to 60 clients; totals over all rounds'

export async function round (tools, values) {
  return await withFault(tools, values, ['killNode'])
}
