/** Shared by the relay scenarios: a server that requests an answer from a model and relays it. */
import { medians } from './statistics.js'

export const contestants = ['relay-direct', 'relay-run', 'relay-plain']
export const model = true
export const options = {}

/** Deltas of an answer. */
const TOKENS = 64
/** Index of the first column that counts deltas. */
const FIRST_COUNT = 7

/** Times are those that the relay adds to a direct request. */
export const columns = [
  'first token, p50, ms', 'p99',
  'between deltas, p50, ms', 'p99',
  'sent to received, p50, ms', 'p99',
  'µs of CPU per delta', 'deltas lost', 'later than 100 ms', 'later than 100 ms without the relay'
]
export const baseline = 'relay-plain'
/** Only CPU: the other columns are differences, or counts that should be 0. */
export const compared = [FIRST_COUNT - 1]

/** Medians of times and CPU, and sums of lost and late deltas. */
export function summarize (rows) {
  const sums = rows.reduce((totals, row) => totals.map((total, column) => total + row[column]))
  return [...medians(rows).slice(0, FIRST_COUNT), ...sums.slice(FIRST_COUNT)]
}

/**
 * Requests answers from the model, then from the relay.
 *
 * @returns how much the relay adds to each percentile in milliseconds, its CPU in microseconds per delta, and the deltas
 *   lost and late
 */
async function compare ({ server, clients, modelPort }, requests) {
  const modelRequests = { ...requests, port: modelPort, path: '/v1/chat/completions' }
  await clients('connectRelayClients', modelRequests)
  const direct = await clients('readAnswers', modelRequests)
  const relayRequests = { ...requests, path: '/relay' }
  await clients('connectRelayClients', relayRequests)
  const before = await server('cpuUsage')
  const relayed = await clients('readAnswers', relayRequests)
  const after = await server('cpuUsage')
  if (direct.lost > 0) throw new Error(`${direct.lost} deltas were lost without the relay`)
  const added = time => ['p50', 'p99'].map(percentile => (relayed[time][percentile] - direct[time][percentile]) / 1_000)
  const deltas = requests.streams * requests.times * requests.tokens
  return {
    firstDelta: added('firstDelta'),
    allDeltas: [...added('addedGap'), ...added('latency'), (after.cpu - before.cpu) / deltas, relayed.lost, relayed.late, direct.late]
  }
}

/** Measures concurrent streams, each of which is repeated. */
export async function relayConcurrent (tools, streams, times) {
  const { firstDelta, allDeltas } = await compare(tools, { streams, times, tokens: TOKENS })
  return [...firstDelta, ...allDeltas]
}

/** Measures one stream at a time. @param firstTokens number of further requests, for percentiles of the first token */
export async function relaySequential (tools, times, firstTokens) {
  const { clients } = tools
  // Warm-up: other contestants ran in the meantime, and a single stream is not enough for V8 to compile a server's code.
  await clients('connectRelayClients', { path: '/relay', streams: 50 })
  await clients('readAnswers', { path: '/relay', times: 1, tokens: TOKENS })
  const { firstDelta } = await compare(tools, { streams: 1, times: firstTokens, tokens: 1 })
  const { allDeltas } = await compare(tools, { streams: 1, times, tokens: TOKENS })
  return [...firstDelta, ...allDeltas]
}
