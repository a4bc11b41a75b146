/** What the scenarios share in which something fails: three nodes on one Redis, of whose events each is counted. */
import { sleep } from './processes.js'

export const contestants = ['ours-nodes']
export const columns = ['events published', 'posts repeated', 'to be received', 'lost', 'doubled', 'clients told of a gap', 'streams opened again', 'longest silence of a client, ms']
export const turns = 3

const CLIENTS = 60
const RATE = 150

/** Each round counts. */
export function summarize (rows) {
  const sums = rows.reduce((totals, row) => totals.map((total, column) => total + row[column]))
  return [...sums.slice(0, -1), Math.max(...rows.map(row => row.at(-1)))]
}

/** @param fail what the contestant does in the middle of it */
export async function withFault ({ ask, load, post }, { quick }, fail) {
  await load('follow', { clients: CLIENTS })
  const published = post('numbered', { rate: RATE, ms: quick ? 4_000 : 12_000 })
  await sleep(quick ? 1_000 : 4_000)
  await ask(...fail)
  const { events, repeated } = await published
  const { lost, doubled, told, again, silence } = await load('followed', { events })
  return [events, repeated, events * CLIENTS, lost, doubled, told, again, silence]
}
