/** The plugin with the Redis broker. Events are published by another node. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { redisBroker } from 'fastify-sse-emitter/redis'
import { startRedis } from '../start-redis.js'
import { start as startOurs } from './ours.js'

export { missing } from '../start-redis.js'

export async function start (options) {
  const url = `redis://127.0.0.1:${await startRedis()}`
  const publisher = fork(fileURLToPath(new URL('../redis-publisher.js', import.meta.url)), [url])
  publisher.on('exit', code => { throw new Error(`The publishing node exited with ${code}`) })

  const callPublisher = async (task, options) => {
    publisher.send([task, options])
    const [result] = await once(publisher, 'message')
    return result
  }
  await once(publisher, 'message')
  const ours = await startOurs({ ...options, broker: redisBroker({ url, onError: () => {} }) })
  return {
    ...ours,
    tasks: {
      publishAtRate: options => callPublisher('publishAtRate', options),
      publishUnlimited: options => callPublisher('publishUnlimited', options)
    }
  }
}
