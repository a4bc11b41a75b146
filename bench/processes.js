import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

function run (file, ...args) {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv: ['--expose-gc', ...(process.env.PROF ? [...process.env.PROF.split(' ')] : [])] })
  child.once('exit', code => { if (code) throw new Error(`${file} ${args.join(' ')} ended with ${code}`) })
  return child
}

async function told (child, question) {
  if (question !== undefined) child.send(question)
  const [answer] = await once(child, 'message')
  return answer
}

/**
 * Has a contestant's server and the clients run, each in a process of its own.
 *
 * @param measure is given the server to ask and the clients to set to work
 */
export async function against (contestant, options, measure) {
  const server = run('server.js', contestant, JSON.stringify(options))
  const { port } = await told(server)
  const load = run('load.js')
  try {
    return await measure({
      ask: question => told(server, question),
      load: (task, options) => told(load, [task, { port, ...options }])
    })
  } finally {
    for (const child of [load, server]) {
      const ended = once(child, 'exit')
      child.disconnect()
      await ended
    }
  }
}

export const sleep = ms => new Promise(resolve => { setTimeout(resolve, ms) })
