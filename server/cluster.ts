import { spawn } from 'node:child_process'
import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import closeWithGrace from 'close-with-grace'

/** Nodes that share the port. */
const NODES = 3
/** Milliseconds until another node takes the place of one that is gone. */
const PAUSE = 1_000
/** Milliseconds in which the nodes have ended: each takes ten seconds at most. */
const PATIENCE = 15_000

// The nodes accept connections themselves. One that is handed on by the leader, which is the default, is lost without a
// word where the node that shall have it is being killed: its client would wait for ever.
cluster.schedulingPolicy = cluster.SCHED_NONE

if (cluster.isWorker) await import('./main.ts')
else await lead()

/** Has several demo servers answer on one port, with one Redis, to show that nothing is lost when one of them is. */
async function lead (): Promise<void> {
  const { REDIS_URL = '' } = process.env
  const env = { REDIS_URL: REDIS_URL === '' ? await startRedis() : REDIS_URL }
  const nodes = new Set<Worker>()
  const timers = new Set<NodeJS.Timeout>()
  let [up, ending] = [false, false]

  const start = (): void => {
    const node = cluster.fork(env)
    nodes.add(node)
    node.once('exit', (code, signal) => {
      nodes.delete(node)
      if (ending) return
      // What is wrong it has said itself, and others would say the same.
      if (!up) process.exit(1)
      say(`Node ${node.process.pid} is gone (${[signal, code].join('')}), and another one comes`)
      const timer = setTimeout(() => {
        timers.delete(timer)
        start()
      }, PAUSE)
      timers.add(timer)
    })
  }

  closeWithGrace({ skip: ['beforeExit', 'uncaughtException', 'unhandledRejection'], delay: PATIENCE }, async () => {
    ending = true
    timers.forEach(clearTimeout)
    const ends = Array.from(nodes, node => once(node, 'exit'))
    for (const node of nodes) node.process.kill('SIGTERM')
    await Promise.all(ends)
  })

  start()
  const [node, { port }] = await once(cluster, 'listening') as [Worker, AddressInfo]
  up = true
  while (nodes.size < NODES) start()
  const origin = `http://localhost:${port}`
  say(`${NODES} nodes answer at ${origin}: ${Array.from(nodes, ({ process }) => process.pid).join(', ')}. The header x-node says which one has.`)
  say(`Talk at ${origin}/conversation.html, and meanwhile: kill -9 ${node.process.pid}`)
  say('Pages come back to another node and go on. What the killed one was writing itself ends as lost, within 15 seconds.')
}

/** Starts a Redis that keeps nothing on its disk, and ends with this process. @returns where it is */
async function startRedis (): Promise<string> {
  const port = String(await freePort())
  // In a group of its own: a terminal interrupts all of a group at once, and nodes need Redis until they have ended.
  const redis = spawn('redis-server', ['--port', port, '--bind', '127.0.0.1', '--save', ''], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
  redis.once('error', ({ message }) => fail(`This takes a Redis: install redis-server, or say by REDIS_URL where there is one (${message})`))
  process.once('exit', () => redis.kill('SIGKILL'))
  let said = ''
  redis.once('close', (code, signal) => fail(`Redis has ended (${signal ?? code}): ${said}`))
  await new Promise<void>(resolve => {
    createInterface(redis.stdout).on('line', line => {
      said = line
      if (line.includes('Ready to accept connections')) resolve()
    })
  })
  return `redis://127.0.0.1:${port}`
}

async function freePort (): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

function say (text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Ends at once. So do the nodes, when nobody leads them. */
function fail (message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
