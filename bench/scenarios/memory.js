import { sleep } from '../processes.js'

const COUNTS = [1_000, 5_000, 15_000]

export const title = 'Memory of an idle stream, heartbeats on'
export const columns = COUNTS.flatMap(count => [`KiB of RSS, ${count.toLocaleString('en')}`, 'KiB of heap'])
export const turns = 3
export const options = { heartbeat: 15_000 }

export async function round ({ ask, load }, { quick }) {
  // What is compiled and cached at the first requests is not a stream's.
  await load('open', { count: 200, concurrency: 20 })
  await sleep(500)
  const before = await ask('memory')
  const row = []
  for (const whole of COUNTS) {
    const count = quick ? whole / 10 : whole
    await load('idle', { count })
    await sleep(1_000)
    const after = await ask('memory')
    row.push((after.rss - before.rss) / 1_024 / count, (after.heap - before.heap) / 1_024 / count)
  }
  return row
}
