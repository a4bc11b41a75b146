import { once } from 'node:events'
import net from 'node:net'
import { several } from './client.js'

class Connection {
  #socket
  opened
  #answer = ''
  #onAnswer
  #onClose

  constructor (port, onClose) {
    this.#socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    this.opened = once(this.#socket, 'connect')
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', text => { this.#take(text) })
    this.#socket.on('close', () => {
      onClose()
      this.#onClose?.(new Error('a publisher\'s connection was closed'))
    })
  }

  async post (data) {
    this.#socket.write(`POST /publish HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: text/plain\r\ncontent-length: ${data.length}\r\n\r\n${data}`)
    await new Promise((resolve, reject) => {
      this.#onAnswer = resolve
      this.#onClose = reject
    })
  }

  close () {
    this.#onClose = undefined
    this.#socket.destroy()
  }

  #take (text) {
    this.#answer += text
    const answer = this.#answer
    const headEnd = answer.indexOf('\r\n\r\n')
    if (headEnd === -1) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(answer)?.[1] ?? 0)
    if (answer.length < headEnd + 4 + length) return
    if (!answer.startsWith('HTTP/1.1 2')) throw new Error(`a post was answered with ${answer}`)
    this.#answer = ''
    this.#onClose = undefined
    this.#onAnswer()
  }
}

/**
 * Posts events to a server over connections that are open before. (Node accepts one connection in a turn of its event
 * loop; opened when they are needed, their number would be what is measured.) By hand, because it shares a core.
 */
export class Poster {
  #connections = new Set()
  #idle = []
  #waiting = []
  /** Posts that were not answered yet. */
  unanswered = 0

  async open (port, count) {
    await several(count, count, async () => {
      const connection = new Connection(port, () => {
        this.#connections.delete(connection)
        this.#idle = this.#idle.filter(other => other !== connection)
      })
      this.#connections.add(connection)
      await connection.opened
      this.#idle.push(connection)
    })
  }

  async post (data) {
    this.unanswered++
    const connection = this.#idle.pop() ?? await new Promise(resolve => { this.#waiting.push(resolve) })
    await connection.post(data)
    this.unanswered--
    const next = this.#waiting.shift()
    if (next === undefined) this.#idle.push(connection)
    else next(connection)
  }

  close () {
    for (const connection of this.#connections) connection.close()
  }
}
