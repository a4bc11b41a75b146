/** What the scenarios of a relay share: a server that asks a model, and passes on what it says. */
import { medians } from './figures.js'

export const contestants = ['relay-direct', 'relay-run', 'relay-plain']
export const model = true
export const options = {}

/** Of a whole answer. */
const TOKENS = 64
/** The first of the columns that count deltas. */
const LOST = 7

/** Times are those beyond what it takes without a relay. */
export const columns = [
  'to the first token, p50, ms', 'p99',
  'more between deltas, p50, ms', 'p99',
  'from sent to received, p50, ms', 'p99',
  'µs of CPU a delta', 'deltas lost', 'later than 100 ms', 'so without a relay'
]
export const baseline = 'relay-plain'
/** Only CPU: elsewhere are differences, and counts that should be 0. */
export const compared = [LOST - 1]

/** Of each column; but of deltas that are lost or late, each counts. */
export function summarize (rows) {
  const sums = rows.reduce((totals, row) => totals.map((total, column) => total + row[column]))
  return [...medians(rows).slice(0, LOST), ...sums.slice(LOST)]
}

/**
 * Asks the model, and then the relay.
 *
 * @returns by how much the percentiles of the second are above those of the first, in milliseconds; the relay's CPU, in
 *   microseconds; and how many deltas were lost or late
 */
async function compare ({ ask, load, modelPort }, asking) {
  const model = { ...asking, port: modelPort, path: '/v1/chat/completions' }
  await load('connect', model)
  const direct = await load('answers', model)
  const relay = { ...asking, path: '/relay' }
  await load('connect', relay)
  const before = await ask('usage')
  const relayed = await load('answers', relay)
  const after = await ask('usage')
  if (direct.lost > 0) throw new Error(`${direct.lost} deltas were lost without a relay`)
  const more = what => ['p50', 'p99'].map(share => (relayed[what][share] - direct[what][share]) / 1_000)
  const deltas = asking.streams * asking.times * asking.tokens
  return {
    first: more('first'),
    deltas: [...more('gap'), ...more('latency'), (after.cpu - before.cpu) / deltas, relayed.lost, relayed.late, direct.late]
  }
}

/** A scenario of so many streams at a time, each so often. */
export async function relay (tools, streams, times) {
  const { first, deltas } = await compare(tools, { streams, times, tokens: TOKENS })
  return [...first, ...deltas]
}

/** A scenario of one stream, with as many first tokens as it takes for a percentile. */
export async function relayOne (tools, times, firsts) {
  const { load } = tools
  // Others had the machine meanwhile, and a new server's code has to be compiled, for which one stream is not enough.
  await load('connect', { path: '/relay', streams: 50 })
  await load('answers', { path: '/relay', times: 1, tokens: TOKENS })
  const { first } = await compare(tools, { streams: 1, times: firsts, tokens: 1 })
  const { deltas } = await compare(tools, { streams: 1, times, tokens: TOKENS })
  return [...first, ...deltas]
}
