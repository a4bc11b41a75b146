import { sleep } from '../processes.js'

const COUNTS = [1_000, 5_000, 15_000]

export const title = 'Memory per idle stream, with heartbeats'
export const columns = COUNTS.flatMap(count => [`KiB of RSS, ${count.toLocaleString('en')}`, 'KiB of heap'])
export const turns = 3
export const options = { heartbeat: 15_000 }

export async function round ({ server, clients }, { quick }) {
  // Warm-up: code and caches of the first requests are not memory of a stream.
  await clients('openStreams', { count: 200, concurrency: 20 })
  await sleep(500)
  const before = await server('memory')
  const row = []
  for (const fullCount of COUNTS) {
    const count = quick ? fullCount / 10 : fullCount
    await clients('openIdle', { count })
    await sleep(1_000)
    const after = await server('memory')
    row.push((after.rss - before.rss) / 1_024 / count, (after.heap - before.heap) / 1_024 / count)
  }
  return row
}
