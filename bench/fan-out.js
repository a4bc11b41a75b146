/** What the scenarios of the fan-out share. */
import { sleep } from './processes.js'

export const contestants = ['ours', 'socket-loop', 'bare', 'fastify-sse', 'better-sse', 'nchan']
/** Heartbeats are measured elsewhere. */
export const options = { heartbeat: 10 * 60 * 1_000 }

/** Milliseconds until servers have done with who has come. */
const SETTLE = 500
/** Bytes that are published to one subscriber before all have received them: less than the system buffers for a reader. */
const BATCH = 16 * 1_024
/** Of an event, beside its data. */
const FRAME = 64

export async function subscribe ({ load }, count) {
  const { more } = await load('subscribe', { count })
  if (more > 0) await sleep(SETTLE)
}

async function received (load, events) {
  const { missing } = await load('receive', { events })
  if (missing !== 0) throw new Error(`${missing} of ${events} events are missing`)
}

/**
 * Publishes, and waits until all subscribers have received it.
 *
 * @returns microseconds of CPU a delivery, and deliveries a second
 */
export async function deliver ({ ask, load }, subscribers, { count, size, perTurn }) {
  const batch = Math.ceil(BATCH / (size + FRAME) / perTurn) * perTurn
  const start = performance.now()
  const before = await ask('usage')
  for (let left = count; left > 0; left -= batch) {
    const events = Math.min(left, batch)
    await ask('publish', { count: events, size, perTurn })
    await received(load, events * subscribers)
  }
  const after = await ask('usage')
  const ms = performance.now() - start
  const deliveries = count * subscribers
  return [(after.cpu - before.cpu) / deliveries, deliveries / ms * 1_000]
}

const KINDS = [
  { name: '64 B', size: 64, perTurn: 1 },
  { name: '64 B by tens', size: 64, perTurn: 10 },
  { name: '1 KiB', size: 1_024, perTurn: 1 },
  { name: '1 KiB by tens', size: 1_024, perTurn: 10 }
]

/** A scenario of one number of subscribers: events of each kind, one in each turn of the event loop or ten. */
export const kinds = {
  columns: KINDS.flatMap(({ name }) => [`µs of CPU a delivery, ${name}`, 'deliveries/s']),
  /** @param turns how many for the events that come one in each; it takes more of the others to measure them */
  async deliver (tools, subscribers, turns) {
    const row = []
    // Others had the machine meanwhile, and a new server's code has to be compiled.
    await deliver(tools, subscribers, { count: Math.ceil(turns / 4), size: 64, perTurn: 1 })
    for (const { size, perTurn } of KINDS) {
      const count = perTurn === 1 ? turns : Math.ceil(3 * turns / perTurn) * perTurn
      row.push(...await deliver(tools, subscribers, { count, size, perTurn }))
    }
    return row
  }
}
