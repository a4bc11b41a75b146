/**
 * Compares the plugin with other packages: `npm run bench -- [scenario …] [--only contestant,…] [--rounds n] [--quick]`.
 * Each contestant's server runs in a process of its own, and its clients in another. Contestants take turns, and the
 * results are medians over the rounds. CPU time is that of the server's process, as counted by the operating system.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { withProcesses } from './processes.js'
import { medians } from './statistics.js'

const SCENARIOS = [
  'stream', 'schema', 'open', 'memory', 'idle',
  'fan-out-200', 'fan-out-2000', 'fan-out-15000', 'fan-out-memory', 'fan-out-latency', 'fan-out-posts',
  'relay-1', 'relay-100', 'relay-500', 'relay-abort',
  'redis-latency', 'redis-fan-out', 'redis-cut', 'redis-kill',
  'polling-1000'
]
/** The contestants of a scenario that does not export its own. */
const DEFAULT_CONTESTANTS = ['ours', 'bare', 'fastify-sse', 'better-sse', 'fastify-sse-v2']
const LABELS = {
  ours: 'fastify-sse-emitter',
  bare: 'Node\'s `res.write`',
  schema: 'fastify-sse-emitter, route with a schema',
  stringify: 'fastify-sse-emitter, `JSON.stringify`',
  'ours-redis': 'fastify-sse-emitter with Redis',
  'ours-nodes': 'fastify-sse-emitter, three nodes with Redis',
  'fastify-sse': '@fastify/sse',
  'better-sse': 'better-sse',
  'fastify-sse-v2': 'fastify-sse-v2',
  'socket-loop': 'bare socket loop',
  nchan: 'nginx with nchan',
  'relay-direct': 'fastify-sse-emitter, direct',
  'relay-run': 'fastify-sse-emitter, run',
  'relay-plain': 'undici and `res.write`',
  'polling-push': 'fastify-sse-emitter, stream',
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

/** A prefix selects several scenarios: `fan-out` selects all that start with `fan-out-`. */
function matchingScenarios (argument) {
  const names = SCENARIOS.filter(name => name === argument || name.startsWith(`${argument}-`))
  if (names.length === 0) throw new Error(`Unknown scenario ${argument}; expected one of ${SCENARIOS.join(', ')}`)
  return names
}

/** The contestants that were selected and whose software is installed. */
async function availableContestants ({ contestants = DEFAULT_CONTESTANTS }) {
  const only = values.only?.split(',') ?? contestants
  const names = contestants.filter(name => only.includes(name))
  const modules = await Promise.all(names.map(async name => [name, await import(`./contestants/${name}.js`)]))
  return modules.filter(([name, { missing }]) => {
    const reason = missing?.()
    if (reason !== undefined) process.stderr.write(`  skipping ${LABELS[name]}: ${reason}\n`)
    return reason === undefined
  }).map(([name]) => name)
}

function formatNumber (value) {
  if (Number.isInteger(value) || Math.abs(value) >= 999.5) return Math.round(value).toLocaleString('en')
  return value.toPrecision(Math.abs(value) >= 99.5 ? 3 : 2)
}

/** Changes the order of the contestants, so that an after-effect of one, such as a garbage collection, does not always hit the same other. */
function shuffled (items) {
  return items.map(item => [Math.random(), item]).sort(([a], [b]) => a - b).map(([, item]) => item)
}

/**
 * Runs the rounds of one scenario for all contestants in turn.
 *
 * With `warmUp`, all servers run at the same time and the turns are short, so that other load on the machine affects all
 * contestants alike. Without it, each round starts a new server, because it fills the machine with streams.
 */
async function runScenario (contestants, { turns, warmUp, round, ...processOptions }, onRound) {
  const rounds = values.quick ? 1 : Number(values.rounds ?? turns)
  const results = new Map(contestants.map(contestant => [contestant, []]))
  const runRound = async (contestant, tools) => {
    const row = await round(tools, values)
    results.get(contestant).push(row)
    onRound(contestant, row, results.get(contestant).length, rounds)
  }

  async function runSeparately () {
    for (let turn = 0; turn < rounds; turn++) {
      for (const contestant of contestants) await withProcesses(contestant, processOptions, async tools => await runRound(contestant, tools))
    }
  }

  async function runTogether (toStart, running) {
    const [next, ...others] = toStart
    if (next !== undefined) {
      await withProcesses(next, processOptions, async tools => await runTogether(others, [...running, [next, tools]]))
      return
    }
    for (const [, tools] of running) for (let times = 0; times < warmUp; times++) await round(tools, values)
    for (let turn = 0; turn < rounds; turn++) {
      for (const [contestant, tools] of shuffled(running)) await runRound(contestant, tools)
    }
  }

  await (warmUp === undefined ? runSeparately() : runTogether(contestants, []))
  return results
}

function printTable (columns, rows) {
  process.stdout.write(`\n| | ${columns.join(' | ')} |\n|---|${'---|'.repeat(columns.length)}\n`)
  for (const [contestant, row] of rows) process.stdout.write(`| ${LABELS[contestant]} | ${row.join(' | ')} |\n`)
}

/** The ratios to the baseline in some columns. They are taken round by round, so that load that affects both cancels out. */
function ratios (rows, baselineRows, compared) {
  return medians(rows.map((row, round) => compared.map(column => row[column] / baselineRows[round][column])))
}

process.stdout.write(`Node ${process.version}, ${cpus()[0].model}, ${cpus().length} cores\n`)
for (const name of positionals.length > 0 ? positionals.flatMap(matchingScenarios) : SCENARIOS) {
  const scenario = await import(`./scenarios/${name}.js`)
  const { title, columns, summarize = medians, baseline, compared = [...columns.keys()] } = scenario
  const contestants = await availableContestants(scenario)
  const results = await runScenario(contestants, scenario, (contestant, row, round, rounds) => {
    process.stderr.write(`  ${name} ${round}/${rounds} ${contestant}: ${row.map(formatNumber).join(' ')}\n`)
  })
  process.stdout.write(`\n${title}\n`)
  printTable(columns, Array.from(results, ([contestant, rows]) => [contestant, summarize(rows).map(formatNumber)]))
  if (!results.has(baseline)) continue
  process.stdout.write(`\nRelative to ${LABELS[baseline]}\n`)
  printTable(
    compared.map(column => columns[column]),
    Array.from(results, ([contestant, rows]) => [contestant, ratios(rows, results.get(baseline), compared).map(value => value.toFixed(2))])
  )
}
