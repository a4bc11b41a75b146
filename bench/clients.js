/** Runs the clients in a process of their own. */
import { once } from 'node:events'
import { auditTasks } from './delivery-audit.js'
import { get, HEAD_END, receive, repeat } from './http-client.js'
import { pollingTasks } from './polling-clients.js'
import { relayTasks } from './relay-clients.js'
import { subscriberTasks } from './subscribers.js'

const idle = []

const tasks = {
  /** Reads one stream to its end. @returns milliseconds and bytes */
  async readStream ({ port, count, size }) {
    const start = performance.now()
    const socket = get(port, `/stream?count=${count}&size=${size}`)
    let bytes = 0
    let end = ''
    socket.on('data', chunk => {
      bytes += chunk.length
      end = chunk.toString('latin1', Math.max(0, chunk.length - 5))
      if (end.endsWith('0\r\n\r\n')) socket.destroy()
    })
    await once(socket, 'close')
    return { ms: performance.now() - start, bytes }
  },

  /** Opens streams and disconnects from each after its first event. @returns milliseconds */
  async openStreams ({ port, count, concurrency }) {
    const start = performance.now()
    await repeat(count, concurrency, async () => {
      const socket = get(port, '/first')
      await receive(socket, received => received.includes('first\n'))
      socket.destroy()
    })
    return { ms: performance.now() - start }
  },

  /** Opens further idle streams, until there are `count` of them. */
  async openIdle ({ port, count }) {
    await repeat(count - idle.length, 50, async () => {
      const socket = get(port, '/idle')
      idle.push(socket)
      await receive(socket, received => received.includes(HEAD_END))
      socket.resume()
    })
    return {}
  },

  ...subscriberTasks,
  ...relayTasks,
  ...pollingTasks,
  ...auditTasks
}

process.on('message', async ([task, options]) => { process.send(await tasks[task](options)) })
process.on('disconnect', () => process.exit())
