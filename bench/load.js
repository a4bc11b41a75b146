/** The clients, in a process of their own. */
import net from 'node:net'
import { once } from 'node:events'

const HEAD_END = Buffer.from('\r\n\r\n')

function ask (port, path) {
  const socket = net.connect(port, '127.0.0.1')
  socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n`)
  return socket
}

/** Until the client has something that ends so, or holds so. */
function until (socket, holds) {
  return new Promise((resolve, reject) => {
    let seen = Buffer.alloc(0)
    const onData = chunk => {
      seen = Buffer.concat([seen, chunk])
      if (!holds(seen)) return
      socket.off('data', onData)
      resolve()
    }
    socket.on('data', onData)
    socket.on('error', reject)
    socket.on('close', () => { reject(new Error(`closed after ${seen}`)) })
  })
}

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
    let left = count
    const one = async () => {
      while (left-- > 0) {
        const socket = ask(port, '/first')
        await until(socket, seen => seen.includes('first\n'))
        socket.destroy()
      }
    }
    await Promise.all(Array.from({ length: concurrency }, one))
    return { ms: performance.now() - start }
  },

  /** Opens streams that stay until the process ends, up to a number. */
  async idle ({ port, count }) {
    const one = async () => {
      while (idle.length < count) {
        const socket = ask(port, '/idle')
        idle.push(socket)
        await until(socket, seen => seen.includes(HEAD_END))
        socket.resume()
      }
    }
    await Promise.all(Array.from({ length: 50 }, one))
    return {}
  }
}

process.on('message', async ([task, options]) => { process.send(await tasks[task](options)) })
process.on('disconnect', () => process.exit())
