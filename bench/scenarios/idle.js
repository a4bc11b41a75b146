import { sleep } from '../processes.js'

const COUNT = 10_000
const HEARTBEAT = 15_000
/** Milliseconds until V8 has collected the garbage of opening the streams, which it starts only after half a minute. */
const SETTLE_TIME = 40_000

export const title = '10,000 idle streams, a heartbeat every 15 s'
export const columns = ['% of a core', 'longest delay of the event loop, ms']
export const turns = 1
export const options = { heartbeat: HEARTBEAT }

export async function round ({ server, clients }, { quick }) {
  const duration = quick ? HEARTBEAT : 3 * HEARTBEAT
  await clients('openIdle', { count: quick ? COUNT / 10 : COUNT })
  await sleep(quick ? 1_000 : SETTLE_TIME)
  const before = await server('cpuUsage')
  await sleep(duration)
  const after = await server('cpuUsage')
  // Measured separately, because the monitor costs more than the heartbeats.
  await server('startDelayMonitor')
  await sleep(HEARTBEAT + 1_000)
  const { longest } = await server('stopDelayMonitor')
  return [(after.cpu - before.cpu) / (duration * 1_000) * 100, longest]
}
