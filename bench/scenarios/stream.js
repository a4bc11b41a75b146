import { against } from '../processes.js'

export const title = 'One stream, events as fast as it takes them'
export const columns = ['µs of CPU an event, 64 B', 'events/s, 64 B', 'µs of CPU an event, 1 KiB', 'events/s, 1 KiB']

const SIZES = [64, 1_024]

export async function round (contestant, { quick }) {
  return await against(contestant, { heartbeat: 15_000 }, async ({ ask, load }) => {
    const row = []
    for (const size of SIZES) {
      const count = (quick ? 30_000 : 300_000) / (size === 64 ? 1 : 3)
      // For the compiler to see.
      await load('stream', { count: count / 5, size })
      const before = await ask('usage')
      const { ms } = await load('stream', { count, size })
      const after = await ask('usage')
      row.push((after.cpu - before.cpu) / count, count / ms * 1_000)
    }
    return row
  })
}
