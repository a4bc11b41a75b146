/** Another node on the same Redis, which publishes. */
import fastify from 'fastify'
import sse from 'fastify-sse-emitter'
import { redisBroker } from 'fastify-sse-emitter/redis'
import { publishing } from './publishing.js'

const app = fastify()
await app.register(sse, { broker: redisBroker({ url: process.argv[2], onError: () => {} }) })
await app.ready()
const channel = app.sse.channel('bench')
// Once it is connected.
await channel.publish('ready')

const answers = publishing(async data => await channel.publish(data))
process.on('message', async ([question, options]) => { process.send(await answers[question](options)) })
process.on('disconnect', () => process.exit())
process.send('ready')
