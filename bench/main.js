/**
 * Measures the plugin beside its peers: `npm run bench -- [scenario …] [--only contestant,…] [--rounds n] [--quick]`.
 * Each contestant's server is alone in its process, its clients are in another, contestants take turns, and the
 * figures are medians over the rounds. CPU is the operating system's account of the server's process.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { against } from './processes.js'

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
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false }
  }
})
const contestants = values.only?.split(',') ?? Object.keys(CONTESTANTS)
const scenarios = positionals.length > 0 ? positionals : SCENARIOS
function median (numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

function figure (value) {
  if (value >= 1_000) return Math.round(value).toLocaleString('en')
  return value.toPrecision(value >= 100 ? 3 : 2)
}

/**
 * Has contestants take turns in rounds of one scenario.
 *
 * Where rounds are short, all servers stay up and the turns are short, too: what else goes on on the machine then hits
 * all alike. Where a round fills the machine with streams, it has servers of its own.
 */
async function compete ({ turns, options, warmUp, round }, note) {
  const count = values.quick ? 1 : Number(values.rounds ?? turns)
  const results = new Map(contestants.map(contestant => [contestant, []]))
  const play = async (contestant, tools) => {
    const row = await round(tools, values)
    results.get(contestant).push(row)
    note(contestant, row, results.get(contestant).length, count)
  }

  async function apart () {
    for (let turn = 0; turn < count; turn++) {
      for (const contestant of contestants) await against(contestant, options, async tools => await play(contestant, tools))
    }
  }

  async function together (waiting, up) {
    const [next, ...others] = waiting
    if (next !== undefined) {
      await against(next, options, async tools => await together(others, [...up, [next, tools]]))
      return
    }
    for (const [, tools] of up) for (let times = 0; times < warmUp; times++) await round(tools, values)
    for (let turn = 0; turn < count; turn++) {
      for (const [contestant, tools] of up) await play(contestant, tools)
    }
  }

  await (warmUp === undefined ? apart() : together(contestants, []))
  return results
}

process.stdout.write(`Node ${process.version}, ${cpus()[0].model}, ${cpus().length} cores\n`)
for (const name of scenarios) {
  const scenario = await import(`./scenarios/${name}.js`)
  const { title, columns } = scenario
  const results = await compete(scenario, (contestant, row, turn, turns) => {
    process.stderr.write(`  ${name} ${turn}/${turns} ${contestant}: ${row.map(figure).join(' ')}\n`)
  })
  process.stdout.write(`\n${title}\n\n| | ${columns.join(' | ')} |\n|---|${'---|'.repeat(columns.length)}\n`)
  for (const contestant of contestants) {
    const medians = columns.map((_, column) => median(results.get(contestant).map(row => row[column])))
    process.stdout.write(`| ${CONTESTANTS[contestant]} | ${medians.map(figure).join(' | ')} |\n`)
  }
}
