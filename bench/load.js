/** The clients, in a process of their own. */
import { once } from 'node:events'
import { asking } from './askers.js'
import { ask, HEAD_END, several, until } from './client.js'
import { following } from './numbered.js'
import { polling } from './pollers.js'
import { subscribing } from './subscribers.js'

const idle = []

const tasks = {
  /** One stream, read to its end. @returns milliseconds and bytes */
  async stream ({ port, count, size }) {
    const start = performance.now()
    const socket = ask(port, `/stream?count=${count}&size=${size}`)
    let bytes = 0
    let last = ''
    socket.on('data', chunk => {
      bytes += chunk.length
      last = chunk.toString('latin1', Math.max(0, chunk.length - 5))
      if (last.endsWith('0\r\n\r\n')) socket.destroy()
    })
    await once(socket, 'close')
    return { ms: performance.now() - start, bytes }
  },

  /** Streams that are opened, read to their first event, and left; some at a time. @returns milliseconds */
  async open ({ port, count, concurrency }) {
    const start = performance.now()
    await several(count, concurrency, async () => {
      const socket = ask(port, '/first')
      await until(socket, seen => seen.includes('first\n'))
      socket.destroy()
    })
    return { ms: performance.now() - start }
  },

  /** Opens streams that stay until the process ends, up to a number. */
  async idle ({ port, count }) {
    await several(count - idle.length, 50, async () => {
      const socket = ask(port, '/idle')
      idle.push(socket)
      await until(socket, seen => seen.includes(HEAD_END))
      socket.resume()
    })
    return {}
  },

  ...subscribing,
  ...asking,
  ...polling,
  ...following
}

process.on('message', async ([task, options]) => { process.send(await tasks[task](options)) })
process.on('disconnect', () => process.exit())
