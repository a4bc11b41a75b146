import { once } from 'node:events'
import net from 'node:net'
import { repeat } from './http-client.js'

class Connection {
  #socket
  connected
  #response = ''
  #onResponse
  #onError

  constructor (port, onClose) {
    this.#socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    this.connected = once(this.#socket, 'connect')
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', text => { this.#read(text) })
    this.#socket.on('close', () => {
      onClose()
      this.#onError?.(new Error('The server closed a publisher\'s connection'))
    })
  }

  async post (data) {
    this.#socket.write(`POST /publish HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: text/plain\r\ncontent-length: ${data.length}\r\n\r\n${data}`)
    await new Promise((resolve, reject) => {
      this.#onResponse = resolve
      this.#onError = reject
    })
  }

  close () {
    this.#onError = undefined
    this.#socket.destroy()
  }

  #read (text) {
    this.#response += text
    const response = this.#response
    const headEnd = response.indexOf('\r\n\r\n')
    if (headEnd === -1) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(response)?.[1] ?? 0)
    if (response.length < headEnd + 4 + length) return
    if (!response.startsWith('HTTP/1.1 2')) throw new Error(`A post failed: ${response}`)
    this.#response = ''
    this.#onError = undefined
    this.#onResponse()
  }
}

/**
 * Posts events over connections that are opened beforehand: Node.js accepts one connection per turn of its event loop, so
 * that new ones would limit the rate. Written on sockets, because it shares a core with the clients.
 */
export class PostClient {
  #connections = new Set()
  #idle = []
  #waiting = []
  /** Posts without a response. */
  pending = 0

  async connect (port, count) {
    await repeat(count, count, async () => {
      const connection = new Connection(port, () => {
        this.#connections.delete(connection)
        this.#idle = this.#idle.filter(other => other !== connection)
      })
      this.#connections.add(connection)
      await connection.connected
      this.#idle.push(connection)
    })
  }

  async post (data) {
    this.pending++
    const connection = this.#idle.pop() ?? await new Promise(resolve => { this.#waiting.push(resolve) })
    await connection.post(data)
    this.pending--
    const next = this.#waiting.shift()
    if (next === undefined) this.#idle.push(connection)
    else next(connection)
  }

  close () {
    for (const connection of this.#connections) connection.close()
  }
}
