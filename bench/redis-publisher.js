/** Another node on the same Redis, which only publishes. */
import fastify from 'fastify'
import sse from 'fastify-sse-emitter'
import { redisBroker } from 'fastify-sse-emitter/redis'
import { publishTasks } from './publish-tasks.js'

const app = fastify()
await app.register(sse, { broker: redisBroker({ url: process.argv[2], onError: () => {} }) })
await app.ready()
const channel = app.sse.channel('bench')
// Resolves when the broker is connected.
await channel.publish('ready')

const tasks = publishTasks(async data => await channel.publish(data))
process.on('message', async ([task, options]) => { process.send(await tasks[task](options)) })
process.on('disconnect', () => process.exit())
process.send('ready')
