import net from 'node:net'

export const HEAD_END = Buffer.from('\r\n\r\n')

/** Opens a connection and sends a GET request. */
export function get (port, path, options) {
  const socket = net.connect({ port, host: '127.0.0.1', ...options })
  socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n`)
  return socket
}

/** Resolves when the data received so far satisfies a predicate. */
export function receive (socket, predicate) {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0)
    const onData = chunk => {
      received = Buffer.concat([received, chunk])
      if (!predicate(received)) return
      socket.off('data', onData)
      resolve()
    }
    socket.on('data', onData)
    socket.on('error', reject)
    socket.on('close', () => { reject(new Error(`The connection closed after ${received}`)) })
  })
}

/** Makes a number of calls with limited concurrency. */
export async function repeat (count, concurrency, call) {
  let remaining = count
  const worker = async () => { while (remaining-- > 0) await call() }
  await Promise.all(Array.from({ length: concurrency }, worker))
}
