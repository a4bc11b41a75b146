import { fork } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { fileURLToPath } from 'node:url'

function run (file, ...args) {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv: ['--expose-gc', ...(process.env.PROF ? [...process.env.PROF.split(' ')] : [])] })
  child.once('exit', (code, signal) => { if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code ?? signal}`) })
  return child
}

async function told (child, question) {
  if (question !== undefined) child.send(question)
  const [answer] = await once(child, 'message')
  return answer
}

/**
 * Has a contestant's server and the clients run, each in a process of its own, and where there is one, the publisher.
 *
 * @param model whether the server is a relay: then there is a model, which it is told of
 * @param measure is given the server and the model to ask, and the clients and the publisher to set to work
 */
export async function against (contestant, { options, model: relay = false }, measure) {
  const model = relay ? run('model.js') : undefined
  const modelPort = model && (await told(model)).port
  const server = run('server.js', contestant, JSON.stringify({ ...options, modelPort }))
  const { port } = await told(server)
  const load = run('load.js')
  let publisher
  try {
    return await measure({
      modelPort,
      model: question => told(model, [question]),
      ask: (question, options) => told(server, [question, options]),
      load: (task, options) => told(load, [task, { port, ...options }]),
      post: (task, options) => {
        publisher ??= run('publisher.js')
        return told(publisher, [task, { port, ...options }])
      }
    })
  } finally {
    for (const child of [publisher, load, server, model].filter(Boolean)) {
      const ended = once(child, 'exit')
      child.disconnect()
      await ended
    }
  }
}

export const sleep = ms => new Promise(resolve => { setTimeout(resolve, ms) })

/** For programs that take no port 0. */
export async function freePort () {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  await once(server.close(), 'close')
  return port
}
