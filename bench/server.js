/** Runs one contestant's server in a process of its own. Messages tell it what to measure and what to publish. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { eventData } from './event-data.js'
import { publishTasks } from './publish-tasks.js'

const [contestant, options] = process.argv.slice(2)
const { start } = await import(`./contestants/${contestant}.js`)
const { port, publish, tasks: contestantTasks } = await start(JSON.parse(options))

let delay
const tasks = {
  /** @returns microseconds of CPU that the process has used, as counted by the operating system */
  cpuUsage () {
    const { user, system } = process.cpuUsage()
    return { cpu: user + system }
  },
  /** @returns bytes in use after a garbage collection */
  memory () {
    for (let times = 0; times < 3; times++) globalThis.gc()
    const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
    return { rss, heap: heapUsed + arrayBuffers }
  },
  startDelayMonitor () {
    delay = monitorEventLoopDelay({ resolution: 5 })
    delay.enable()
    return {}
  },
  /** @returns the longest delay of the event loop since the monitor started, in milliseconds */
  stopDelayMonitor () {
    delay.disable()
    // The monitor measures a timer of 5 ms.
    return { longest: delay.max / 1e6 - 5 }
  },
  /** Publishes a number of events, some of them in each turn of the event loop. */
  async publish ({ count, size, perTurn }) {
    const data = eventData(size)
    for (let remaining = count; remaining > 0; remaining -= perTurn) {
      await Promise.all(Array.from({ length: Math.min(remaining, perTurn) }, () => publish(data)))
      await nextTurn()
    }
    return {}
  },
  ...publishTasks(publish),
  // A contestant that runs in another process replaces some of the tasks.
  ...contestantTasks
}

process.on('message', async ([task, options]) => { process.send(await tasks[task](options)) })
process.on('disconnect', () => process.exit())
process.send({ port })
