export const title = 'One stream, events as fast as it accepts them'
export const columns = ['µs of CPU per event, 64 B', 'events/s, 64 B', 'µs of CPU per event, 1 KiB', 'events/s, 1 KiB']
export const baseline = 'bare'
export const turns = 15
export const warmUp = 3
export const options = { heartbeat: 15_000 }

const COUNTS = { 64: 60_000, 1_024: 20_000 }

export async function round ({ server, clients }, { quick }) {
  const row = []
  for (const [size, fullCount] of Object.entries(COUNTS)) {
    const count = quick ? fullCount / 10 : fullCount
    const before = await server('cpuUsage')
    const { ms } = await clients('readStream', { count, size })
    const after = await server('cpuUsage')
    row.push((after.cpu - before.cpu) / count, count / ms * 1_000)
  }
  return row
}
