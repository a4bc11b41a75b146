import net from 'node:net'

export const HEAD_END = Buffer.from('\r\n\r\n')

export function ask (port, path, options) {
  const socket = net.connect({ port, host: '127.0.0.1', ...options })
  socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n`)
  return socket
}

/** Until the client has something that ends so, or holds so. */
export function until (socket, holds) {
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

/** Calls until it is done with so many, some at a time. */
export async function several (count, concurrency, call) {
  let left = count
  const one = async () => { while (left-- > 0) await call() }
  await Promise.all(Array.from({ length: concurrency }, one))
}
