import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import cors from '@fastify/cors'
import helmet, { type FastifyHelmetOptions } from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import files from '@fastify/static'
import fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyServerOptions } from 'fastify'
import sse from 'fastify-sse-emitter'
import type { RedisBroker } from 'fastify-sse-emitter/redis'
import { requireToken } from './bearer-token.ts'
import { MAX_CHANNELS, MAX_STREAMS } from './client-limits.ts'
import type { Config } from './config.ts'
import { eventStreamParser } from './event-stream-parser.ts'
import { refuseForeignHosts } from './foreign-hosts.ts'
import { refuseForeignOrigins } from './foreign-origins.ts'
import { languageModel } from './language-model.ts'
import { metrics } from './metrics.ts'
import { channels } from './routes/channels.ts'
import { chat } from './routes/chat.ts'
import { health } from './routes/health.ts'
import { llmChat } from './routes/llm-chat.ts'
import { market } from './routes/market.ts'
import { openAIApi } from './routes/openai-api.ts'
import { sseChat } from './routes/sse-chat.ts'
import { uiChat } from './routes/ui-chat.ts'
import { startSession } from './session.ts'
import { vendor } from './vendor.ts'

/** The page's files, wherever this file was compiled to. */
const STATIC = fileURLToPath(new URL('static', import.meta.resolve('fastify-sse-emitter/package.json')))

const HEADERS: FastifyHelmetOptions = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      imgSrc: ["'self'"],
      // The page can use a server on another port of this machine: `/?server=http://127.0.0.1:4000`.
      connectSrc: ["'self'", 'http://127.0.0.1:*', 'http://localhost:*'],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"]
    }
  },
  // This server uses plain HTTP. A proxy in front of it that uses TLS sets the header.
  strictTransportSecurity: false
}

/** Refuses invalid requests. By default, Fastify removes unknown properties and converts values of the wrong type. */
const AJV = { customOptions: { removeAdditional: false, coerceTypes: false } } as const

/** Leaves the length of a parameter to its schema, which produces a clear error. The router's own limit leads to a 404. */
const ROUTER = { maxParamLength: 16_384 }

/** A client must send its whole request in this time, so that a body that never ends does not hold its connection. */
const TIMEOUTS = { requestTimeout: 30_000, http: { headersTimeout: 15_000, connectionsCheckingInterval: 5_000 } } as const

/**
 * The demo server, ready to listen.
 *
 * @param node identifies this process to clients, in the header `x-node`
 * @param isDraining whether the server is about to close, which `/readyz` reports
 */
export async function buildApp (
  config: Config, options: FastifyServerOptions = {}, node = randomBytes(4).toString('hex'), isDraining = (): boolean => false
): Promise<FastifyInstance> {
  // Browsers keep idle connections, which close() would otherwise wait for. All streams have ended by the time they are cut.
  const trustProxy = config.TRUST_PROXY === '' ? false : listOf(config.TRUST_PROXY)
  const app = fastify({ forceCloseConnections: true, trustProxy, ajv: AJV, routerOptions: ROUTER, ...TIMEOUTS, ...options })
  const broker = await connectRedis(config, app.log)
  await app.register(sse, { broker, connectionKey: ({ ip }) => ip, maxConnectionsPerKey: MAX_STREAMS })
  const answer = languageModel(app, config)

  // Several processes may share one address.
  app.addHook('onRequest', async (_request, reply) => { reply.header('x-node', node) })
  app.addHook('onRequest', refuseForeignHosts(listOf(config.ALLOWED_HOSTS)))

  // Pages of any origin may use /learn.
  app.register(async learn => {
    learn.register(rateLimit, { global: false })
    learn.register(cors, { origin: '*' })
    learn.register(sseChat, { interval: config.CHAT_INTERVAL_MS })
    learn.register(llmChat, { answer })
  }, { prefix: '/learn' })

  app.register(eventStreamParser)

  app.register(async own => {
    const origins = listOf(config.CORS_ORIGIN)
    own.addHook('onRequest', refuseForeignOrigins(origins))
    own.addHook('onRequest', startSession)
    own.register(rateLimit, { global: false })
    own.register(cors, { origin: origins })
    own.register(helmet, HEADERS)
    own.register(files, { root: STATIC })
    own.register(vendor)
    own.register(channels, { token: config.PUBLISH_TOKEN, limitPerClient: MAX_CHANNELS })
    own.register(chat, { answer })
    own.register(uiChat, { answer })
    own.register(market, { symbols: config.MARKET_SYMBOLS, interval: config.MARKET_INTERVAL_MS, seed: config.MARKET_SEED })
    own.register(openAIApi, { pace: config.LLM_PACE_MS })
    if (config.METRICS_TOKEN !== '') {
      own.register(async scrapers => {
        scrapers.addHook('onRequest', requireToken(config.METRICS_TOKEN, 'Reading metrics', 'METRICS_TOKEN'))
        await metrics(scrapers)
      })
    }
    own.register(health, { isReady: () => broker?.ready ?? true, isDraining })
  })

  return await app
}

function listOf (value: string): string[] {
  return value === '' ? [] : value.split(',')
}

/** The Redis broker, if one is configured. The package `@redis/client` is only loaded in that case. */
async function connectRedis ({ REDIS_URL }: Config, log: FastifyBaseLogger): Promise<RedisBroker | undefined> {
  if (REDIS_URL === '') return undefined
  const { redisBroker } = await import('fastify-sse-emitter/redis')
  let last = ''
  const onError = (err: Error): void => {
    // Further attempts fail in the same way, so only the first is a warning.
    log[err.message === last ? 'debug' : 'warn']({ err }, 'lost a connection to Redis; reconnecting')
    last = err.message
  }
  return redisBroker({ url: REDIS_URL, onError })
}
