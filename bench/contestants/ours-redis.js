/** The plugin with its broker in Redis, which runs beside it. What is published comes from another node. */
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { redisBroker } from 'fastify-sse-emitter/redis'
import { freePort } from '../processes.js'
import { start as startOurs } from './ours.js'

const PROGRAM = 'redis-server'

/** @returns why it cannot take part, if it cannot */
export function missing () {
  const found = (process.env.PATH ?? '').split(delimiter).some(folder => existsSync(join(folder, PROGRAM)))
  return found ? undefined : `${PROGRAM} is not installed`
}

export async function start (options) {
  const port = await freePort()
  const redis = spawn(PROGRAM, ['--port', `${port}`, '--bind', '127.0.0.1', '--save', ''], { stdio: 'ignore' })
  const url = `redis://127.0.0.1:${port}`
  const node = fork(fileURLToPath(new URL('../redis-node.js', import.meta.url)), [url])
  process.on('exit', () => { redis.kill() })
  for (const child of [redis, node]) child.on('exit', code => { throw new Error(`a child ended with ${code}`) })

  const there = async question => {
    node.send(question)
    const [answer] = await once(node, 'message')
    return answer
  }
  await once(node, 'message')
  const ours = await startOurs({ ...options, broker: redisBroker({ url, onError: () => {} }) })
  return {
    ...ours,
    account: {
      steady: options => there(['steady', options]),
      flood: options => there(['flood', options])
    }
  }
}
