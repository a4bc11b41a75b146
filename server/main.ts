import cluster from 'node:cluster'
import { setTimeout as sleep } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import { buildApp } from './app.ts'
import { readConfig, type Config } from './config.ts'

/** Milliseconds after which a server that does not close exits: more than the plugin's `shutdownGrace`. */
const CLOSE_TIMEOUT = 10_000

const config = configure()
let isDraining = false
const pretty = process.stdout.isTTY
// A terminal interrupts every process of a cluster. Its nodes ignore that and wait for SIGTERM from the primary.
const ignored = cluster.isWorker ? ['SIGINT', 'SIGHUP'] as const : []
for (const signal of ignored) process.on(signal, () => {})

const app = await buildApp(config, {
  logger: {
    level: config.LOG_LEVEL,
    ...pretty && { transport: { target: 'pino-pretty', options: { ignore: cluster.isWorker ? 'hostname' : 'pid,hostname', translateTime: 'HH:MM:ss.l' } } }
  }
}, process.env.NODE_ID, () => isDraining)

closeWithGrace({ skip: ['beforeExit', ...ignored], delay: config.DRAIN_MS + CLOSE_TIMEOUT, logger: app.log }, async ({ err, signal }) => {
  if (err !== undefined) app.log.fatal({ err }, 'closing the server after an uncaught error')
  else await drain(signal)
  const start = performance.now()
  await app.close()
  app.log.info(`closed in ${Math.round(performance.now() - start)} ms`)
})

try {
  await app.listen({ host: config.HOST, port: config.PORT })
} catch (error) {
  exit(`Cannot listen on ${config.HOST}:${config.PORT}: ${(error as Error).message}`)
}

/** Gives load balancers time to notice that this server is about to close, while it still serves requests. */
async function drain (signal?: string): Promise<void> {
  isDraining = true
  if (config.DRAIN_MS > 0) app.log.info(`received ${signal}; closing in ${config.DRAIN_MS} ms`)
  await sleep(config.DRAIN_MS)
  const runs = app.sse.runs.list().filter(({ state }) => state === 'running')
  app.log.info(`received ${signal}; streams to close: ${app.sse.size}, runs to end: ${runs.length}`)
}

function configure (): Config {
  try {
    return readConfig(process.env)
  } catch (error) {
    return exit((error as Error).message)
  }
}

function exit (message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
