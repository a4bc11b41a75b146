import closeWithGrace from 'close-with-grace'
import { buildApp } from './app.ts'
import { readConfig, type Config } from './config.ts'

const config = configure()
const pretty = process.stdout.isTTY
const app = await buildApp(config, {
  logger: {
    level: config.LOG_LEVEL,
    ...pretty && { transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l' } } }
  }
})

closeWithGrace({ skip: ['beforeExit'] }, async ({ err, signal }) => {
  if (err !== undefined) app.log.fatal({ err }, 'the server stops because of an error')
  else app.log.info(`${signal}: ending ${app.sse.size} streams`)
  await app.close()
})

try {
  await app.listen({ host: config.HOST, port: config.PORT })
} catch (error) {
  exit(`cannot listen on ${config.HOST}:${config.PORT}: ${(error as Error).message}`)
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
