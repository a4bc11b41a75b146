import { sleep } from '../processes.js'

const COUNT = 10_000
const HEARTBEAT = 15_000
/** Until V8 has collected what opening the streams has left behind, which takes it half a minute to begin with. */
const SETTLE = 40_000

export const title = '10,000 idle streams, a heartbeat every 15 s'
export const columns = ['% of a core', 'longest stall of the event loop, ms']
export const turns = 1
export const options = { heartbeat: HEARTBEAT }

export async function round ({ ask, load }, { quick }) {
  const measured = quick ? HEARTBEAT : 3 * HEARTBEAT
  await load('idle', { count: quick ? COUNT / 10 : COUNT })
  await sleep(quick ? 1_000 : SETTLE)
  const before = await ask('usage')
  await sleep(measured)
  const after = await ask('usage')
  // Apart, because to watch costs more than the heartbeats.
  await ask('watch')
  await sleep(HEARTBEAT + 1_000)
  const { stall } = await ask('stall')
  return [(after.cpu - before.cpu) / (measured * 1_000) * 100, stall]
}
