/** Shared by the scenarios with a fault: three nodes on one Redis, and every event is counted. */
import { sleep } from './processes.js'

export const contestants = ['ours-nodes']
export const columns = ['events published', 'posts retried', 'deliveries expected', 'lost', 'duplicated', 'gaps reported', 'reconnects', 'longest silence of a client, ms']
export const turns = 3

const CLIENTS = 60
const RATE = 150

/** Sums over all rounds, and the longest silence of any. */
export function summarize (rows) {
  const sums = rows.reduce((totals, row) => totals.map((total, column) => total + row[column]))
  return [...sums.slice(0, -1), Math.max(...rows.map(row => row.at(-1)))]
}

/** @param fault the contestant's task that causes the fault, and its options */
export async function withFault ({ server, clients, publisher }, { quick }, fault) {
  await clients('startAudit', { clients: CLIENTS })
  const posted = publisher('postNumbered', { rate: RATE, ms: quick ? 4_000 : 12_000 })
  await sleep(quick ? 1_000 : 4_000)
  await server(...fault)
  const { events, retries } = await posted
  const { lost, duplicated, gapsReported, reconnects, longestSilence } = await clients('finishAudit', { events })
  return [events, retries, events * CLIENTS, lost, duplicated, gapsReported, reconnects, longestSilence]
}
