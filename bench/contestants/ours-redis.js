/** The plugin with its broker in Redis, which runs beside it. What is published comes from another node. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { redisBroker } from 'fastify-sse-emitter/redis'
import { startRedis } from '../redis.js'
import { start as startOurs } from './ours.js'

export { missing } from '../redis.js'

export async function start (options) {
  const url = `redis://127.0.0.1:${await startRedis()}`
  const node = fork(fileURLToPath(new URL('../redis-node.js', import.meta.url)), [url])
  node.on('exit', code => { throw new Error(`the other node ended with ${code}`) })

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
