export const title = 'One stream, events as fast as it takes them'
export const columns = ['µs of CPU an event, 64 B', 'events/s, 64 B', 'µs of CPU an event, 1 KiB', 'events/s, 1 KiB']
export const baseline = 'bare'
export const turns = 15
export const warmUp = 3
export const options = { heartbeat: 15_000 }

const COUNTS = { 64: 60_000, 1_024: 20_000 }

export async function round ({ ask, load }, { quick }) {
  const row = []
  for (const [size, whole] of Object.entries(COUNTS)) {
    const count = quick ? whole / 10 : whole
    const before = await ask('usage')
    const { ms } = await load('stream', { count, size })
    const after = await ask('usage')
    row.push((after.cpu - before.cpu) / count, count / ms * 1_000)
  }
  return row
}
