import { deliver, subscribe } from '../fan-out.js'

export { contestants, options } from '../fan-out.js'

const COUNTS = [200, 2_000, 15_000]

export const title = 'Memory of a server with subscribers, after 20 events'
export const columns = [...COUNTS.map(count => `MiB of RSS, ${count.toLocaleString('en')}`), 'KiB a subscriber']
export const turns = 1

export async function round (tools, { quick }) {
  const held = []
  for (const whole of COUNTS) {
    const count = quick && whole === 15_000 ? 5_000 : whole
    await subscribe(tools, count)
    await deliver(tools, count, { count: 20, size: 64, perTurn: 1 })
    const { rss } = await tools.ask('memory')
    held.push({ count, rss })
  }
  const [least, most] = [held[0], held.at(-1)]
  return [...held.map(({ rss }) => rss / 1_024 ** 2), (most.rss - least.rss) / 1_024 / (most.count - least.count)]
}
