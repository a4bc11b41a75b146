export const title = 'Streams opened and closed by the client after the first event, 50 at a time'
export const columns = ['streams/s', 'µs of CPU per stream']
export const baseline = 'fastify-sse'
export const turns = 31
export const warmUp = 3
export const options = { heartbeat: 15_000 }

export async function round ({ server, clients }, { quick }) {
  const count = quick ? 200 : 1_500
  const before = await server('cpuUsage')
  const { ms } = await clients('openStreams', { count, concurrency: 50 })
  const after = await server('cpuUsage')
  return [count / ms * 1_000, (after.cpu - before.cpu) / count]
}
