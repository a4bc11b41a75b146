import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import net from 'node:net'
import { delimiter, join } from 'node:path'
import { freePort, sleep } from './processes.js'

const PROGRAM = 'redis-server'

/** @returns why there is no Redis, if there is none */
export function missing () {
  const found = (process.env.PATH ?? '').split(delimiter).some(folder => existsSync(join(folder, PROGRAM)))
  return found ? undefined : `${PROGRAM} is not installed`
}

/** Starts a Redis that ends with this process. @returns its port, once it answers there */
export async function startRedis () {
  const port = await freePort()
  const redis = spawn(PROGRAM, ['--port', `${port}`, '--bind', '127.0.0.1', '--save', ''], { stdio: 'ignore' })
  process.on('exit', () => { redis.kill() })
  redis.on('exit', code => { throw new Error(`${PROGRAM} ended with ${code}`) })
  for (;;) {
    const socket = net.connect(port, '127.0.0.1')
    const there = await once(socket, 'connect').then(() => true, () => false)
    socket.destroy()
    if (there) return port
    await sleep(10)
  }
}
