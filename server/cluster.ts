import { spawn } from 'node:child_process'
import cluster, { type Worker } from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import closeWithGrace from 'close-with-grace'

/** Nodes that share the port. */
const NODES = 3
/** Milliseconds before a node that exited is replaced. */
const RESTART_DELAY = 1_000
/** Milliseconds until all nodes have exited: each takes ten seconds at most. */
const CLOSE_TIMEOUT = 15_000

// The nodes accept connections themselves. By default the primary accepts them, and a connection that it hands to a node
// that is being killed is lost silently, so that its client would wait forever.
cluster.schedulingPolicy = cluster.SCHED_NONE

/** The node processes. Once they are listening, a node that exits is replaced. */
class Nodes {
  readonly #env: NodeJS.ProcessEnv
  /** The id of each node, which clients see, and its process, which they don't. */
  readonly #workers = new Map<string, Worker>()
  readonly #restarts = new Set<NodeJS.Timeout>()
  #listening = false
  #closing = false

  constructor (env: NodeJS.ProcessEnv) {
    this.#env = env
  }

  get list (): Array<{ id: string, pid: number | undefined }> {
    return Array.from(this.#workers, ([id, { process: { pid } }]) => ({ id, pid }))
  }

  /** Starts one node, and the others once it is listening. @returns the port */
  async listen (): Promise<number> {
    this.#start()
    const [, { port }] = await once(cluster, 'listening') as [Worker, AddressInfo]
    this.#listening = true
    while (this.#workers.size < NODES) this.#start()
    return port
  }

  async close (): Promise<void> {
    this.#closing = true
    this.#restarts.forEach(clearTimeout)
    const workers = [...this.#workers.values()]
    const exits = workers.map(worker => once(worker, 'exit'))
    for (const { process } of workers) process.kill('SIGTERM')
    await Promise.all(exits)
  }

  #start (): string {
    const id = randomBytes(4).toString('hex')
    const worker = cluster.fork({ ...this.#env, NODE_ID: id })
    this.#workers.set(id, worker)
    worker.once('exit', (code, signal) => {
      this.#workers.delete(id)
      if (this.#closing) return
      // The node has printed its error, and other nodes would fail for the same reason.
      if (!this.#listening) process.exit(1)
      print(`Node ${id} exited (${[signal, code].join('')}); starting another`)
      this.#restart()
    })
    return describe({ id, pid: worker.process.pid })
  }

  #restart (): void {
    const timer = setTimeout(() => {
      this.#restarts.delete(timer)
      print(`Started node ${this.#start()}`)
    }, RESTART_DELAY)
    this.#restarts.add(timer)
  }
}

if (cluster.isWorker) await import('./main.ts')
else await runPrimary()

/** Runs several demo servers on one port and one Redis, to show that clients survive the loss of a server. */
async function runPrimary (): Promise<void> {
  const { REDIS_URL = '' } = process.env
  // No load balancer reads `/readyz` of a node, so it does not need to drain.
  const nodes = new Nodes({ DRAIN_MS: '0', REDIS_URL: REDIS_URL === '' ? await startRedis() : REDIS_URL })
  closeWithGrace({ skip: ['beforeExit', 'uncaughtException', 'unhandledRejection'], delay: CLOSE_TIMEOUT }, async () => { await nodes.close() })
  const origin = `http://localhost:${await nodes.listen()}`
  print(`${NODES} nodes listening at ${origin}: ${nodes.list.map(describe).join(', ')}. The response header x-node contains the id of the node.`)
  print(`Start a conversation at ${origin}/conversation.html, then run: kill -9 ${nodes.list[0]!.pid}`)
  print('Pages reconnect to another node and resume. An answer that the killed node was generating is reported as lost within 15 seconds.')
}

/** Starts a Redis that stores nothing on disk and exits with this process. @returns its URL */
async function startRedis (): Promise<string> {
  const port = String(await findFreePort())
  // Detached, because a terminal interrupts a whole process group, and the nodes need Redis until they have closed.
  const redis = spawn('redis-server', ['--port', port, '--bind', '127.0.0.1', '--save', ''], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
  redis.once('error', ({ message }) => fail(`Cannot start redis-server (${message}): install Redis, or set REDIS_URL to a running one`))
  process.once('exit', () => redis.kill('SIGKILL'))
  let lastLine = ''
  redis.once('close', (code, signal) => fail(`redis-server exited (${signal ?? code}): ${lastLine}`))
  await new Promise<void>(resolve => {
    createInterface(redis.stdout).on('line', line => {
      lastLine = line
      if (line.includes('Ready to accept connections')) resolve()
    })
  })
  return `redis://127.0.0.1:${port}`
}

async function findFreePort (): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

function describe ({ id, pid }: { id: string, pid: number | undefined }): string {
  return `${id} (process ${pid})`
}

function print (text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Exits immediately. The nodes exit as well when their primary is gone. */
function fail (message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
