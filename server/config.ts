import { envSchema } from 'env-schema'
import { MAX_INSTRUMENTS } from './market/instruments.ts'

/** What the environment may set. */
export interface Config {
  /** The address to listen on; 0.0.0.0 for all. */
  readonly HOST: string
  /** The port to listen on; 0 for any that is free. */
  readonly PORT: number
  /** Origins, besides its own, whose pages may use the whole server, divided by commas. `/learn` is open to all pages. */
  readonly CORS_ORIGIN: string
  /** Milliseconds between two lines of the chat. */
  readonly CHAT_INTERVAL_MS: number
  /** What publishing to a channel takes, as a bearer token; empty for nothing. */
  readonly PUBLISH_TOKEN: string
  /**
   * The Redis that channels and runs are kept in, shared by all processes on it: `redis://user:password@host:6379/0`.
   * Empty: this process keeps them.
   */
  readonly REDIS_URL: string
  /**
   * Where the language model is, up to and with its version: https://api.openai.com/v1. Empty: the one that is built
   * into this server.
   */
  readonly LLM_BASE_URL: string
  /** What the language model wants for a key; empty for none. */
  readonly LLM_API_KEY: string
  readonly LLM_MODEL: string
  /** Milliseconds that the built-in model takes for a token. */
  readonly LLM_PACE_MS: number
  /** How many instruments the market has. */
  readonly MARKET_SYMBOLS: number
  /** Milliseconds between two prices of an instrument. */
  readonly MARKET_INTERVAL_MS: number
  /** The same seed makes the same market. */
  readonly MARKET_SEED: number
  readonly LOG_LEVEL: string
}

const ORIGIN = 'https?://[^/\\s,]+'

const schema = {
  type: 'object',
  properties: {
    HOST: { type: 'string', minLength: 1, default: '127.0.0.1' },
    PORT: { type: 'integer', minimum: 0, maximum: 65_535, default: 3_000 },
    CORS_ORIGIN: { type: 'string', pattern: `^(${ORIGIN}(,${ORIGIN})*)?$`, default: '' },
    CHAT_INTERVAL_MS: { type: 'integer', minimum: 0, maximum: 3_600_000, default: 3_000 },
    PUBLISH_TOKEN: { type: 'string', pattern: '^[!-~]*$', default: '' },
    REDIS_URL: { type: 'string', format: 'redis', default: '' },
    LLM_BASE_URL: { type: 'string', pattern: '^(https?://[^\\s]+)?$', default: '' },
    LLM_API_KEY: { type: 'string', pattern: '^[!-~]*$', default: '' },
    LLM_MODEL: { type: 'string', minLength: 1, default: 'embedded' },
    LLM_PACE_MS: { type: 'integer', minimum: 0, maximum: 10_000, default: 30 },
    MARKET_SYMBOLS: { type: 'integer', minimum: 1, maximum: MAX_INSTRUMENTS, default: 24 },
    MARKET_INTERVAL_MS: { type: 'integer', minimum: 1, maximum: 60_000, default: 100 },
    MARKET_SEED: { type: 'integer', minimum: 0, maximum: 2 ** 32 - 1, default: 6 },
    LOG_LEVEL: { type: 'string', enum: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], default: 'info' }
  }
}

/** What a person can do about a rule that was broken, where the rule itself does not say it. */
const HINTS: Record<string, string> = {
  CORS_ORIGIN: 'must be origins such as https://example.com, divided by commas',
  PUBLISH_TOKEN: 'must be printable ASCII without spaces, which a header can carry',
  REDIS_URL: 'must be an address such as redis://127.0.0.1:6379, or rediss:// for TLS',
  LLM_BASE_URL: 'must be an address such as https://api.openai.com/v1',
  LLM_API_KEY: 'must be printable ASCII without spaces, which a header can carry',
  LOG_LEVEL: `must be one of ${schema.properties.LOG_LEVEL.enum.join(', ')}`
}

/** What is not for a log to show. */
const SECRETS = ['PUBLISH_TOKEN', 'REDIS_URL', 'LLM_API_KEY', 'LLM_BASE_URL']

/**
 * Reads the configuration.
 *
 * @throws Error with a line for each variable that has a wrong value, which names it
 */
export function readConfig (env: NodeJS.ProcessEnv): Config {
  try {
    return envSchema<Config>({ schema, data: env, env: false, ajv: { customOptions: ajv => ajv.addFormat('redis', isRedis) } })
  } catch (error) {
    const problems = (error as { errors: Array<{ instancePath: string, message: string }> }).errors
    throw new Error(problems.map(({ instancePath, message }) => {
      const name = instancePath.slice(1)
      const value = SECRETS.includes(name) ? '' : `, and it is ${JSON.stringify(env[name])}`
      return `${name} ${HINTS[name] ?? message}${value}`
    }).join('\n'))
  }
}

/** Whether a client of Redis can make something of it. */
function isRedis (address: string): boolean {
  if (address === '') return true
  try {
    const { protocol, username, password, pathname } = new URL(address)
    decodeURIComponent(username + password)
    return /^rediss?:$/.test(protocol) && /^\/?\d*$/.test(pathname)
  } catch {
    return false
  }
}
