import { against, sleep } from '../processes.js'

const COUNTS = [1_000, 5_000, 15_000]

export const title = 'Memory of an idle stream, heartbeats on'
export const columns = COUNTS.flatMap(count => [`KiB of RSS, ${count.toLocaleString('en')}`, 'KiB of heap'])

export async function round (contestant, { quick }) {
  return await against(contestant, { heartbeat: 15_000 }, async ({ ask, load }) => {
    // What is compiled and cached at the first requests is not a stream's.
    await load('open', { count: 200, concurrency: 20 })
    await sleep(500)
    const before = await ask('memory')
    const row = []
    for (const count of COUNTS) {
      await load('idle', { count: quick ? count / 10 : count })
      await sleep(1_000)
      const after = await ask('memory')
      const streams = quick ? count / 10 : count
      row.push((after.rss - before.rss) / 1_024 / streams, (after.heap - before.heap) / 1_024 / streams)
    }
    return row
  })
}
