import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import net from 'node:net'
import { delimiter, join } from 'node:path'
import { freePort, sleep } from './processes.js'

const PROGRAM = 'redis-server'

/** @returns why Redis cannot be started, or undefined */
export function missing () {
  const installed = (process.env.PATH ?? '').split(delimiter).some(folder => existsSync(join(folder, PROGRAM)))
  return installed ? undefined : `${PROGRAM} is not installed`
}

/** Starts a Redis server that stops with this process. @returns its port, once it accepts connections */
export async function startRedis () {
  const port = await freePort()
  const redis = spawn(PROGRAM, ['--port', `${port}`, '--bind', '127.0.0.1', '--save', ''], { stdio: 'ignore' })
  process.on('exit', () => { redis.kill() })
  redis.on('exit', code => { throw new Error(`${PROGRAM} exited with ${code}`) })
  for (;;) {
    const socket = net.connect(port, '127.0.0.1')
    const connected = await once(socket, 'connect').then(() => true, () => false)
    socket.destroy()
    if (connected) return port
    await sleep(10)
  }
}
