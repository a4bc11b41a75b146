export const title = 'Streams opened, read to the first event, and left by their client, 50 at a time'
export const columns = ['streams/s', 'µs of CPU a stream']
export const baseline = 'fastify-sse'
export const turns = 31
export const warmUp = 3
export const options = { heartbeat: 15_000 }

export async function round ({ ask, load }, { quick }) {
  const count = quick ? 200 : 1_500
  const before = await ask('usage')
  const { ms } = await load('open', { count, concurrency: 50 })
  const after = await ask('usage')
  return [count / ms * 1_000, (after.cpu - before.cpu) / count]
}
