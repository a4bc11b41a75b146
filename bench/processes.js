import { fork } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { fileURLToPath } from 'node:url'

function start (file, ...args) {
  // PROF holds further options of Node.js, for a profiler.
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv: ['--expose-gc', ...process.env.PROF ? process.env.PROF.split(' ') : []] })
  child.once('exit', (code, signal) => { if (code !== 0) throw new Error(`${file} ${args.join(' ')} exited with ${code ?? signal}`) })
  return child
}

async function nextMessage (child) {
  const [message] = await once(child, 'message')
  return message
}

async function call (child, task, options) {
  child.send([task, options])
  return await nextMessage(child)
}

/**
 * Starts a contestant's server and the clients, each in a process of its own, and stops them after the measurement. The
 * publisher is started when it is first used.
 *
 * @param contestant the name of a file in `contestants/`
 * @param scenario `model` starts a language model, which the server relays
 * @param measure receives functions that run a task in each process
 */
export async function withProcesses (contestant, { options, model: hasModel = false }, measure) {
  const model = hasModel ? start('model-server.js') : undefined
  const modelPort = model && (await nextMessage(model)).port
  const server = start('server.js', contestant, JSON.stringify({ ...options, modelPort }))
  const { port } = await nextMessage(server)
  const clients = start('clients.js')
  let publisher
  try {
    return await measure({
      modelPort,
      model: task => call(model, task),
      server: (task, options) => call(server, task, options),
      clients: (task, options) => call(clients, task, { port, ...options }),
      publisher: (task, options) => {
        publisher ??= start('publisher.js')
        return call(publisher, task, { port, ...options })
      }
    })
  } finally {
    for (const child of [publisher, clients, server, model].filter(Boolean)) {
      const exited = once(child, 'exit')
      child.disconnect()
      await exited
    }
  }
}

export const sleep = ms => new Promise(resolve => { setTimeout(resolve, ms) })

/** For programs that cannot listen on port 0. */
export async function freePort () {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  await once(server.close(), 'close')
  return port
}
