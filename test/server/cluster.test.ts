import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EventSource } from 'eventsource'
import t, { type Test } from 'tap'
import { sleep } from '../fixtures/app.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { eventually } from '../fixtures/eventually.ts'
import { RedisServer } from '../fixtures/redis-server.ts'

// Each process has to be compiled.
t.setTimeout(300_000)

const MAIN = fileURLToPath(new URL('../../server/cluster.ts', import.meta.url))
/** Without the path to anything. */
const NOWHERE = { PATH: '/nowhere' }

interface Cluster {
  child: ChildProcess
  stdout: () => string
  stderr: () => string
  /** How it ended. */
  exit: Promise<[code: number | null, signal: string | null]>
}

function start (t: Test, env: NodeJS.ProcessEnv, command = process.execPath, args = [...process.execArgv, MAIN]): Cluster {
  const child = spawn(command, args, { env: { ...process.env, PORT: '0', REDIS_URL: '', MARKET_INTERVAL_MS: '1000', ...env } })
  // Killed, it would leave its Redis.
  t.teardown(() => child.kill('SIGTERM'))
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', chunk => { stdout += chunk })
  child.stderr.setEncoding('utf8').on('data', chunk => { stderr += chunk })
  return { child, stdout: () => stdout, stderr: () => stderr, exit: once(child, 'close') as Cluster['exit'] }
}

/** Waits until so many nodes have begun to listen, each of which takes a while. */
async function nodes ({ stdout, stderr, child }: Cluster, count: number): Promise<void> {
  const begun = (): number => stdout().match(/Server listening at/g)?.length ?? 0
  while (begun() < count) {
    if (child.exitCode !== null) throw new Error(stderr())
    await sleep(10)
  }
}

/** A folder with a redis-server that does as this script says. */
function pretend (t: Test, script: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'redis-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'redis-server'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return folder
}

suiteWith(t, 'redis-server', 'several nodes on one port', async (t, program) => {
  t.test('a client whose node is killed reconnects to another node and misses nothing', async t => {
    const note = pretend(t, `echo "$@" > "$0.args"; exec ${program} "$@"`)
    const cluster = start(t, { PATH: `${note}${delimiter}${process.env.PATH}` })
    await nodes(cluster, 3)
    const [, origin] = /^3 nodes listening at (http:\S+):/m.exec(cluster.stdout())!
    /** The process of a node, which only the log of the primary tells. */
    const pidOf = (node: string): number => Number(new RegExp(`${node} \\(process (\\d+)\\)`).exec(cluster.stdout())![1])
    const news = new URL('/channels/news', origin)

    const serving: string[] = []
    const heard: string[] = []
    const source = new EventSource(news, {
      fetch: async (input, init) => {
        const response = await fetch(input, init)
        serving.push(response.headers.get('x-node')!)
        return response
      }
    })
    t.teardown(() => source.close())
    source.addEventListener('message', ({ data }) => { heard.push(data) })
    for (const type of ['sse-gap', 'sse-reset']) source.addEventListener(type, () => { heard.push(type) })
    await once(source, 'sse-ready')

    const published: string[] = []
    const publish = async (): Promise<void> => {
      const data = String(published.length)
      const headers = { 'content-type': 'application/json', 'idempotency-key': data }
      await eventually(async () => {
        // The node that is asked may be the one that is killed.
        const { ok } = await fetch(news, { method: 'POST', headers, body: JSON.stringify({ data }) })
        assert.ok(ok)
      })
      published.push(data)
    }
    const until = async (holds: () => boolean): Promise<void> => {
      while (!holds()) {
        await publish()
        // So that the history has room for what is published while the client reconnects.
        await sleep(10)
      }
    }
    await until(() => heard.length >= 20)
    process.kill(pidOf(serving[0]!), 'SIGKILL')
    await until(() => serving.length > 1)
    const back = heard.length
    await until(() => heard.length >= back + 20)
    await eventually(() => { assert.equal(heard.length, published.length) })
    t.strictSame(heard, published)
    t.equal(serving.length, 2)
    t.not(serving[0], serving[1])

    t.match(cluster.stdout(), `Node ${serving[0]} exited (SIGKILL); starting another`)
    await nodes(cluster, 4)
    t.match(cluster.stdout(), /then run: kill -9 \d+$/m)
    // None comes again when all end.
    process.kill(pidOf(serving[1]!), 'SIGKILL')
    while (!cluster.stdout().includes(`Node ${serving[1]} exited`)) await sleep(1)
    cluster.child.kill('SIGTERM')
    t.strictSame(await cluster.exit, [0, null])
    t.equal(cluster.stderr(), '')
    const [, port] = /--port (\d+)/.exec(readFileSync(join(note, 'redis-server.args'), 'utf8'))!
    await eventually(() => assert.rejects(once(net.connect(Number(port), '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' }))
  })

  t.test('a running Redis is used and keeps running', async t => {
    const redis = await RedisServer.start(t, program)
    const cluster = start(t, { ...NOWHERE, REDIS_URL: redis.url })
    await nodes(cluster, 1)
    await eventually(async () => { assert.notEqual((await redis.command('PUBSUB', 'CHANNELS', '*:node:*') as string[]).length, 0) })
    cluster.child.kill('SIGINT')
    t.strictSame(await cluster.exit, [0, null])
    t.equal(await redis.command('PING'), 'PONG')
  })

  t.test('a port in use prints one line and exits with code 1', async t => {
    const taken = net.createServer()
    await once(taken.listen(0, '127.0.0.1'), 'listening')
    t.teardown(() => taken.close())
    const { port } = taken.address() as net.AddressInfo
    const cluster = start(t, { PORT: String(port) })
    t.strictSame(await cluster.exit, [1, null])
    t.equal(cluster.stderr().match(/Cannot listen/g)!.length, 1)
  })

  // It gives a process a terminal.
  suiteWith(t, 'script', 'in a terminal', async (t, script) => {
    // `exec`: a shell in between would get the signal as well, and say so by its own exit code.
    const command = ['exec', process.execPath, ...process.execArgv, MAIN].map(argument => `'${argument}'`).join(' ')
    const cluster = start(t, {}, script, ['-qec', command, '/dev/null'])
    await nodes(cluster, 1)
    t.match(cluster.stdout(), /INFO.* \(\d+\).*: .*Server listening at/, 'each line of the log contains the process id')
    cluster.child.stdin!.write('\u0003')
    t.strictSame(await cluster.exit, [0, null])
    t.match(cluster.stdout(), 'received SIGTERM; streams to close: 0', 'a signal of the terminal ends the nodes in order')
    t.notMatch(cluster.stdout(), 'Redis', 'Redis runs until the nodes have ended')
  })
})

t.test('without Redis, the error tells how to get one', async t => {
  const cluster = start(t, NOWHERE)
  t.strictSame(await cluster.exit, [1, null])
  t.equal(cluster.stderr(), 'Cannot start redis-server (spawn redis-server ENOENT): install Redis, or set REDIS_URL to a running one\n')
})

t.test('all nodes end when Redis ends, and the error contains the output of Redis', async t => {
  const cluster = start(t, { PATH: `${pretend(t, 'echo "No luck today"; exit 3')}${delimiter}${process.env.PATH}` })
  t.strictSame(await cluster.exit, [1, null])
  t.equal(cluster.stderr(), 'redis-server exited (3): No luck today\n')
})
