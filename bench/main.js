/**
 * Measures the plugin beside its peers: `npm run bench -- [scenario …] [--only contestant,…] [--rounds n] [--quick]`.
 * Each contestant's server is alone in its process, its clients are in another, contestants take turns, and the
 * figures are medians over the rounds. CPU is the operating system's account of the server's process.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { medians } from './figures.js'
import { against } from './processes.js'

const SCENARIOS = [
  'stream', 'open', 'memory', 'idle',
  'fan-out-200', 'fan-out-2000', 'fan-out-15000', 'fan-out-memory', 'fan-out-latency', 'fan-out-posts',
  'relay-1', 'relay-100', 'relay-500', 'relay-abort',
  'redis-latency', 'redis-fan-out', 'redis-cut', 'redis-kill',
  'polling-1000'
]
/** Who takes part where a scenario does not say. */
const PEERS = ['ours', 'bare', 'fastify-sse', 'better-sse', 'fastify-sse-v2']
const CONTESTANTS = {
  ours: 'fastify-sse-emitter',
  bare: 'Node\'s `res.write`',
  'ours-redis': 'fastify-sse-emitter, on Redis',
  'ours-nodes': 'fastify-sse-emitter, three nodes on Redis',
  'fastify-sse': '@fastify/sse',
  'better-sse': 'better-sse',
  'fastify-sse-v2': 'fastify-sse-v2',
  'socket-loop': 'a bare socket loop',
  nchan: 'nginx with nchan',
  'relay-direct': 'fastify-sse-emitter, straight',
  'relay-run': 'fastify-sse-emitter, a run',
  'relay-plain': 'undici and `res.write`',
  'polling-push': 'fastify-sse-emitter, pushed',
  'polling-100ms': 'polled every 100 ms',
  'polling-1s': 'polled every second',
  'polling-5s': 'polled every 5 seconds'
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false }
  }
})

/** A name stands for all that begin with it: `fan-out` for everything of it. */
function scenariosOf (positional) {
  const names = SCENARIOS.filter(name => name === positional || name.startsWith(`${positional}-`))
  if (names.length === 0) throw new Error(`there is no scenario ${positional}: there are ${SCENARIOS.join(', ')}`)
  return names
}

/** Who takes part, of those who can. */
async function contestantsOf ({ contestants = PEERS }) {
  const only = values.only?.split(',') ?? contestants
  const names = contestants.filter(name => only.includes(name))
  const modules = await Promise.all(names.map(async name => [name, await import(`./contestants/${name}.js`)]))
  return modules.filter(([name, { missing }]) => {
    const reason = missing?.()
    if (reason !== undefined) process.stderr.write(`  without ${CONTESTANTS[name]}: ${reason}\n`)
    return reason === undefined
  }).map(([name]) => name)
}

function figure (value) {
  if (Number.isInteger(value) || Math.abs(value) >= 999.5) return Math.round(value).toLocaleString('en')
  return value.toPrecision(Math.abs(value) >= 99.5 ? 3 : 2)
}

/** In another order each time: what one leaves behind, a garbage collection for instance, shall not always hit the same next. */
function shuffled (items) {
  return items.map(item => [Math.random(), item]).sort(([a], [b]) => a - b).map(([, item]) => item)
}

/**
 * Has contestants take turns in rounds of one scenario.
 *
 * Where rounds are short, all servers stay up and the turns are short, too: what else goes on on the machine then hits
 * all alike. Where a round fills the machine with streams, it has servers of its own.
 */
async function compete (contestants, { turns, warmUp, round, ...beside }, note) {
  const count = values.quick ? 1 : Number(values.rounds ?? turns)
  const results = new Map(contestants.map(contestant => [contestant, []]))
  const play = async (contestant, tools) => {
    const row = await round(tools, values)
    results.get(contestant).push(row)
    note(contestant, row, results.get(contestant).length, count)
  }

  async function apart () {
    for (let turn = 0; turn < count; turn++) {
      for (const contestant of contestants) await against(contestant, beside, async tools => await play(contestant, tools))
    }
  }

  async function together (waiting, up) {
    const [next, ...others] = waiting
    if (next !== undefined) {
      await against(next, beside, async tools => await together(others, [...up, [next, tools]]))
      return
    }
    for (const [, tools] of up) for (let times = 0; times < warmUp; times++) await round(tools, values)
    for (let turn = 0; turn < count; turn++) {
      for (const [contestant, tools] of shuffled(up)) await play(contestant, tools)
    }
  }

  await (warmUp === undefined ? apart() : together(contestants, []))
  return results
}

function printTable (columns, rows) {
  process.stdout.write(`\n| | ${columns.join(' | ')} |\n|---|${'---|'.repeat(columns.length)}\n`)
  for (const [contestant, row] of rows) process.stdout.write(`| ${CONTESTANTS[contestant]} | ${row.join(' | ')} |\n`)
}

/** A contestant's figures in some columns as multiples of another's, turn by turn: what hits both alike is not in them. */
function multiples (rows, others, compared) {
  return medians(rows.map((row, turn) => compared.map(column => row[column] / others[turn][column])))
}

process.stdout.write(`Node ${process.version}, ${cpus()[0].model}, ${cpus().length} cores\n`)
for (const name of positionals.length > 0 ? positionals.flatMap(scenariosOf) : SCENARIOS) {
  const scenario = await import(`./scenarios/${name}.js`)
  const { title, columns, summarize = medians, baseline, compared = [...columns.keys()] } = scenario
  const contestants = await contestantsOf(scenario)
  const results = await compete(contestants, scenario, (contestant, row, turn, turns) => {
    process.stderr.write(`  ${name} ${turn}/${turns} ${contestant}: ${row.map(figure).join(' ')}\n`)
  })
  process.stdout.write(`\n${title}\n`)
  printTable(columns, Array.from(results, ([contestant, rows]) => [contestant, summarize(rows).map(figure)]))
  if (!results.has(baseline)) continue
  process.stdout.write(`\nThe same in multiples of ${CONTESTANTS[baseline]}\n`)
  printTable(
    compared.map(column => columns[column]),
    Array.from(results, ([contestant, rows]) => [contestant, multiples(rows, results.get(baseline), compared).map(value => value.toFixed(2))])
  )
}
