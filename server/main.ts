import cluster from 'node:cluster'
import closeWithGrace from 'close-with-grace'
import { buildApp } from './app.ts'
import { readConfig, type Config } from './config.ts'

const config = configure()
const pretty = process.stdout.isTTY
// A terminal interrupts every process of a cluster. Its nodes ignore that and wait for SIGTERM from the primary.
const ignored = cluster.isWorker ? ['SIGINT', 'SIGHUP'] as const : []
for (const signal of ignored) process.on(signal, () => {})

const app = await buildApp(config, {
  logger: {
    level: config.LOG_LEVEL,
    ...pretty && { transport: { target: 'pino-pretty', options: { ignore: cluster.isWorker ? 'hostname' : 'pid,hostname', translateTime: 'HH:MM:ss.l' } } }
  }
}, process.env.NODE_ID)

closeWithGrace({ skip: ['beforeExit', ...ignored] }, async ({ err, signal }) => {
  if (err !== undefined) app.log.fatal({ err }, 'closing the server after an uncaught error')
  else app.log.info(`received ${signal}; streams to close: ${app.sse.size}`)
  await app.close()
})

try {
  await app.listen({ host: config.HOST, port: config.PORT })
} catch (error) {
  exit(`Cannot listen on ${config.HOST}:${config.PORT}: ${(error as Error).message}`)
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
