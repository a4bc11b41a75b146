import { against } from '../processes.js'

export const title = 'Streams opened, read to the first event, and left by their client, 50 at a time'
export const columns = ['streams/s', 'µs of CPU a stream']

export async function round (contestant, { quick }) {
  return await against(contestant, { heartbeat: 15_000 }, async ({ ask, load }) => {
    const count = quick ? 1_000 : 20_000
    await load('open', { count, concurrency: 50 })
    const before = await ask('usage')
    const { ms } = await load('open', { count, concurrency: 50 })
    const after = await ask('usage')
    return [count / ms * 1_000, (after.cpu - before.cpu) / count]
  })
}
