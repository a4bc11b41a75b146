/** Three nodes on one Redis, behind one port, which can be killed and cut off from it. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { startRedis } from '../redis.js'
import { sleep } from '../processes.js'

export { missing } from '../redis.js'

const NODES = 3

/** Passes connections on, each to where it is told, while it is there. */
class Passage {
  #server
  #pairs = new Set()

  constructor (target) {
    this.#server = net.createServer(here => {
      const there = net.connect(target(), '127.0.0.1')
      const pair = [here, there]
      this.#pairs.add(pair)
      const end = () => {
        this.#pairs.delete(pair)
        for (const socket of pair) socket.destroy()
      }
      for (const socket of pair) socket.setNoDelay().on('error', end).on('close', end)
      here.pipe(there).pipe(here)
    })
  }

  async listen (port = 0) {
    await once(this.#server.listen(port, '127.0.0.1'), 'listening')
    return this.#server.address().port
  }

  /** Ends all connections, and takes none. */
  cut () {
    this.#server.close()
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy()
  }
}

export async function start () {
  const redisPort = await startRedis()
  const link = new Passage(() => redisPort)
  const linkPort = await link.listen()
  const nodes = await Promise.all(Array.from({ length: NODES }, async () => {
    const child = fork(fileURLToPath(new URL('../node.js', import.meta.url)), [`redis://127.0.0.1:${linkPort}`])
    const [port] = await once(child, 'message')
    return { child, port }
  }))
  let turn = 0
  const front = new Passage(() => nodes[turn++ % nodes.length].port)
  const port = await front.listen()
  return {
    port,
    account: {
      async cut ({ ms }) {
        link.cut()
        await sleep(ms)
        await link.listen(linkPort)
        return {}
      },
      async kill () {
        const { child } = nodes.shift()
        child.kill('SIGKILL')
        await once(child, 'exit')
        return {}
      }
    }
  }
}
