/**
 * Measures the plugin beside its peers: `npm run bench -- [scenario …] [--only contestant,…] [--rounds n] [--quick]`.
 * Each contestant's server is alone in its process, the clients are in another, contestants take turns, and the
 * figures are medians over the rounds. CPU is the operating system's account of the server's process.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'

const SCENARIOS = ['stream', 'open', 'memory', 'idle']
const CONTESTANTS = {
  ours: 'fastify-sse-emitter',
  bare: 'Node\'s `res.write`',
  'fastify-sse': '@fastify/sse',
  'better-sse': 'better-sse',
  'fastify-sse-v2': 'fastify-sse-v2'
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    quick: { type: 'boolean', default: false }
  }
})
const contestants = values.only?.split(',') ?? Object.keys(CONTESTANTS)
const scenarios = positionals.length > 0 ? positionals : SCENARIOS
const rounds = values.quick ? 1 : Number(values.rounds)

function median (numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

function figure (value) {
  if (value >= 1_000) return Math.round(value).toLocaleString('en')
  return value.toPrecision(value >= 100 ? 3 : 2)
}

process.stdout.write(`Node ${process.version}, ${cpus()[0].model}, ${cpus().length} cores, ${rounds} rounds\n`)
for (const name of scenarios) {
  const { title, columns, round } = await import(`./scenarios/${name}.js`)
  const results = new Map(contestants.map(contestant => [contestant, []]))
  for (let turn = 0; turn < rounds; turn++) {
    for (const contestant of contestants) {
      const row = await round(contestant, values)
      results.get(contestant).push(row)
      process.stderr.write(`  ${name} ${turn + 1}/${rounds} ${contestant}: ${row.map(figure).join(' ')}\n`)
    }
  }
  process.stdout.write(`\n${title}\n\n| | ${columns.join(' | ')} |\n|---|${'---|'.repeat(columns.length)}\n`)
  for (const contestant of contestants) {
    const medians = columns.map((_, column) => median(results.get(contestant).map(row => row[column])))
    process.stdout.write(`| ${CONTESTANTS[contestant]} | ${medians.map(figure).join(' | ')} |\n`)
  }
}
