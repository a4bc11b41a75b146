/** Three nodes on one Redis, behind one port. A node can be killed, and all nodes can be disconnected from Redis. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { sleep } from '../processes.js'
import { startRedis } from '../start-redis.js'

export { missing } from '../start-redis.js'

const NODES = 3

/** A TCP proxy that can be closed and opened again. */
class Proxy {
  #server
  #pairs = new Set()

  /** @param targetPort returns the port for the next connection */
  constructor (targetPort) {
    this.#server = net.createServer(socket => {
      const target = net.connect(targetPort(), '127.0.0.1')
      const pair = [socket, target]
      this.#pairs.add(pair)
      const close = () => {
        this.#pairs.delete(pair)
        for (const socket of pair) socket.destroy()
      }
      for (const socket of pair) socket.setNoDelay().on('error', close).on('close', close)
      socket.pipe(target).pipe(socket)
    })
  }

  async listen (port = 0) {
    await once(this.#server.listen(port, '127.0.0.1'), 'listening')
    return this.#server.address().port
  }

  /** Resets all connections and accepts no further ones. */
  close () {
    this.#server.close()
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy()
  }
}

export async function start () {
  const redisPort = await startRedis()
  const redisProxy = new Proxy(() => redisPort)
  const redisProxyPort = await redisProxy.listen()
  const nodes = await Promise.all(Array.from({ length: NODES }, async () => {
    const child = fork(fileURLToPath(new URL('../redis-node.js', import.meta.url)), [`redis://127.0.0.1:${redisProxyPort}`])
    const [port] = await once(child, 'message')
    return { child, port }
  }))
  let connections = 0
  const loadBalancer = new Proxy(() => nodes[connections++ % nodes.length].port)
  const port = await loadBalancer.listen()
  return {
    port,
    tasks: {
      async disconnectRedis ({ ms }) {
        redisProxy.close()
        await sleep(ms)
        await redisProxy.listen(redisProxyPort)
        return {}
      },
      async killNode () {
        const { child } = nodes.shift()
        child.kill('SIGKILL')
        await once(child, 'exit')
        return {}
      }
    }
  }
}
