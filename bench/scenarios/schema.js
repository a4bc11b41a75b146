export const title = 'One stream, events of 20 fields as fast as it accepts them'
export const contestants = ['schema', 'stringify']
export const columns = ['µs of CPU per event', 'events/s']
export const baseline = 'stringify'
export const turns = 15
export const warmUp = 3
export const options = { heartbeat: 15_000 }

export async function round ({ server, clients }, { quick }) {
  const count = quick ? 4_000 : 40_000
  const before = await server('cpuUsage')
  const { ms } = await clients('readStream', { count, size: 0 })
  const after = await server('cpuUsage')
  return [(after.cpu - before.cpu) / count, count / ms * 1_000]
}
