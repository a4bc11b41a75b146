/** One contestant, alone in its process. Told by messages when to count and what to publish. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { eventData } from './event.js'
import { publishing } from './publishing.js'

const [contestant, options] = process.argv.slice(2)
const { start } = await import(`./contestants/${contestant}.js`)
const { port, publish, account } = await start(JSON.parse(options))

let delay
const answers = {
  /** What the process has used and holds, as the operating system accounts for it. */
  usage () {
    const { user, system } = process.cpuUsage()
    return { cpu: user + system }
  },
  /** Bytes, with garbage collected. */
  memory () {
    for (let times = 0; times < 3; times++) globalThis.gc()
    const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
    return { rss, heap: heapUsed + arrayBuffers }
  },
  /** From here on, the longest stall of the event loop is noted. */
  watch () {
    delay = monitorEventLoopDelay({ resolution: 5 })
    delay.enable()
    return {}
  },
  /** @returns it, in milliseconds */
  stall () {
    delay.disable()
    // What it measures is a timer of 5 ms, which is no stall.
    return { stall: delay.max / 1e6 - 5 }
  },
  /** So many events, so many of them in each turn of the event loop. */
  async publish ({ count, size, perTurn }) {
    const data = eventData(size)
    for (let left = count; left > 0; left -= perTurn) {
      await Promise.all(Array.from({ length: Math.min(left, perTurn) }, () => publish(data)))
      await nextTurn()
    }
    return {}
  },
  ...publishing(publish),
  // A contestant whose work another process does accounts for that.
  ...account
}

process.on('message', async ([question, options]) => { process.send(await answers[question](options)) })
process.on('disconnect', () => process.exit())
process.send({ port })
