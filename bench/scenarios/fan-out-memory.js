import { deliver, subscribe } from '../fan-out-scenario.js'

export { contestants, options } from '../fan-out-scenario.js'

const COUNTS = [200, 2_000, 15_000]

export const title = 'Memory of a server with subscribers, after 20 events'
export const columns = [...COUNTS.map(count => `MiB of RSS, ${count.toLocaleString('en')}`), 'KiB per subscriber']
export const turns = 1

export async function round (tools, { quick }) {
  const measured = []
  for (const fullCount of COUNTS) {
    const count = quick && fullCount === 15_000 ? 5_000 : fullCount
    await subscribe(tools, count)
    await deliver(tools, count, { count: 20, size: 64, perTurn: 1 })
    const { rss } = await tools.server('memory')
    measured.push({ count, rss })
  }
  const [fewest, most] = [measured[0], measured.at(-1)]
  return [...measured.map(({ rss }) => rss / 1_024 ** 2), (most.rss - fewest.rss) / 1_024 / (most.count - fewest.count)]
}
