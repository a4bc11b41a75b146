import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { connect } from 'fastify-sse-emitter/client'
import { eventually } from '../../fixtures/eventually.ts'
import { suiteWith } from '../../fixtures/programs.ts'
import { openBroker, publishEventually } from '../../fixtures/redis-broker.ts'
import { freePort, RedisServer } from '../../fixtures/redis-server.ts'

const MAIN = fileURLToPath(new URL('../../fixtures/node-main.ts', import.meta.url))
const CLIENTS = 40

async function startNode (t: Test, { url }: RedisServer, port: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [...process.execArgv, MAIN, url, `${port}`], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

/** Forwards each connection to the next process that accepts it. @returns its port, and when it was connected to */
async function startBalancer (t: Test, ports: number[]): Promise<{ port: number, times: number[] }> {
  const times: number[] = []
  let next = 0
  const server = net.createServer(client => {
    times.push(performance.now())
    client.on('error', () => {})
    const forward = (attempts: number): void => {
      const target = net.connect(ports[next++ % ports.length]!, '127.0.0.1')
      let isConnected = false
      target.on('error', () => {}).on('connect', () => {
        isConnected = true
        client.pipe(target).pipe(client)
      })
      target.on('close', () => {
        if (isConnected || attempts === 1) client.destroy()
        else forward(attempts - 1)
      })
      client.on('close', () => { target.destroy() })
    }
    forward(ports.length)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => { server.close() })
  return { port: (server.address() as net.AddressInfo).port, times }
}

suiteWith(t, 'redis-server', 'four processes on one Redis', async (t, program) => {
  t.test('while four processes are restarted or killed one by one under load, no client misses an event, and reconnects are spread', async t => {
    const redis = await RedisServer.start(t, program)
    const broker = openBroker(t, redis)
    await eventually(() => { assert.ok(broker.ready) })
    const ports = await Promise.all([1, 2, 3, 4].map(freePort))
    const nodes = await Promise.all(ports.map(async port => await startNode(t, redis, port)))
    const { port, times } = await startBalancer(t, ports)
    const errors: string[] = []
    const clients = Array.from({ length: CLIENTS }, () => {
      const received: number[] = []
      const connection = connect(`http://127.0.0.1:${port}`, {
        onEvent: ({ data }) => { received.push(Number(data)) },
        onGap: () => { errors.push('gap') },
        onReset: () => { errors.push('reset') }
      })
      t.teardown(() => { connection.close() })
      return { received, connection }
    })
    const areOpen = async (): Promise<void> => await eventually(() => { assert.ok(clients.every(({ connection }) => connection.state === 'open')) })
    await areOpen()

    let published = 0
    const stopping = new AbortController()
    const publishing = (async () => {
      while (!stopping.signal.aborted) {
        await publishEventually(broker, 'news', `${published++}`)
        await sleep(20)
      }
    })()
    for (const [index, signal] of (['SIGTERM', 'SIGKILL', 'SIGTERM', 'SIGKILL'] as const).entries()) {
      times.length = 0
      const exit = once(nodes[index]!, 'exit')
      nodes[index]!.kill(signal)
      await exit
      await startNode(t, redis, ports[index]!)
      await areOpen()
      t.ok(times.length > 0 && times.length < CLIENTS, `only the clients of one process reconnect: ${times.length}`)
      // A process that is killed cannot choose when its clients reconnect.
      const spread = times.at(-1)! - times[0]!
      if (signal === 'SIGTERM') t.ok(spread > 50, `they reconnect within ${spread} ms`)
    }
    stopping.abort()
    await publishing
    const all = Array.from({ length: published }, (_, number) => number)
    for (const { received } of clients) {
      await eventually(() => { assert.equal(received.length, published) })
      t.strictSame(received, all)
    }
    t.strictSame(errors, [])
  })
})
