import { isIP } from 'node:net'
import { envSchema } from 'env-schema'
import { MAX_INSTRUMENTS } from './market/instruments.ts'

/** The environment variables. */
export interface Config {
  /** Address to listen on; 0.0.0.0 for all. */
  readonly HOST: string
  /** Port to listen on; 0 for any free port. */
  readonly PORT: number
  /** Comma-separated origins whose pages may use the whole server, in addition to its own. `/learn` is open to all pages. */
  readonly CORS_ORIGIN: string
  /** Comma-separated host names that requests may be for, in addition to addresses and `localhost`. */
  readonly ALLOWED_HOSTS: string
  /**
   * Comma-separated addresses, or ranges such as `10.0.0.0/8`, of proxies whose headers `X-Forwarded-For` and
   * `X-Forwarded-Proto` are trusted. If empty, these headers are ignored.
   */
  readonly TRUST_PROXY: string
  /** Milliseconds for which `/readyz` answers 503 after a signal, before the server closes. */
  readonly DRAIN_MS: number
  /** Milliseconds between two lines of `/learn/sseChat`. */
  readonly CHAT_INTERVAL_MS: number
  /** Bearer token required to publish to a channel; if empty, anyone may publish. */
  readonly PUBLISH_TOKEN: string
  /** Bearer token required by `/metrics`; if empty, there is no such route. */
  readonly METRICS_TOKEN: string
  /**
   * Redis that stores channels and runs, shared by all processes that use it: `redis://user:password@host:6379/0`. If empty,
   * this process keeps them in memory.
   */
  readonly REDIS_URL: string
  /** Base URL of the language model, including the version: https://api.openai.com/v1. If empty, the built-in model is used. */
  readonly LLM_BASE_URL: string
  /** API key of the language model; empty for none. */
  readonly LLM_API_KEY: string
  /** Name of the language model. */
  readonly LLM_MODEL: string
  /** Average milliseconds that the built-in model takes per token. */
  readonly LLM_PACE_MS: number
  /** Number of instruments of the market. */
  readonly MARKET_SYMBOLS: number
  /** Milliseconds between two prices of an instrument. */
  readonly MARKET_INTERVAL_MS: number
  /** The same seed produces the same market. */
  readonly MARKET_SEED: number
  readonly LOG_LEVEL: string
}

const ORIGIN = 'https?://[^/\\s,]+'
const HOST_NAME = '[a-zA-Z0-9.-]+'

const schema = {
  type: 'object',
  properties: {
    HOST: { type: 'string', minLength: 1, default: '127.0.0.1' },
    PORT: { type: 'integer', minimum: 0, maximum: 65_535, default: 3_000 },
    CORS_ORIGIN: { type: 'string', pattern: `^(${ORIGIN}(,${ORIGIN})*)?$`, default: '' },
    ALLOWED_HOSTS: { type: 'string', pattern: `^(${HOST_NAME}(,${HOST_NAME})*)?$`, default: '' },
    TRUST_PROXY: { type: 'string', format: 'addresses', default: '' },
    DRAIN_MS: { type: 'integer', minimum: 0, maximum: 600_000, default: 0 },
    CHAT_INTERVAL_MS: { type: 'integer', minimum: 0, maximum: 3_600_000, default: 3_000 },
    PUBLISH_TOKEN: { type: 'string', pattern: '^[!-~]*$', default: '' },
    METRICS_TOKEN: { type: 'string', pattern: '^[!-~]*$', default: '' },
    REDIS_URL: { type: 'string', format: 'redis-url', default: '' },
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

/** Rules in plain words, for variables whose schema errors are hard to understand. */
const RULES: Record<string, string> = {
  HOST: 'must not be empty',
  CORS_ORIGIN: 'must be origins such as https://example.com, separated by commas',
  ALLOWED_HOSTS: 'must be host names such as demo.example.com, without ports, separated by commas',
  TRUST_PROXY: 'must be addresses or ranges such as 127.0.0.1 or 10.0.0.0/8, separated by commas',
  PUBLISH_TOKEN: 'must be printable ASCII without spaces, because it is sent in a header',
  METRICS_TOKEN: 'must be printable ASCII without spaces, because it is sent in a header',
  REDIS_URL: 'must be a URL such as redis://127.0.0.1:6379, or rediss:// for TLS',
  LLM_BASE_URL: 'must be a URL such as https://api.openai.com/v1',
  LLM_API_KEY: 'must be printable ASCII without spaces, because it is sent in a header',
  LLM_MODEL: 'must not be empty',
  LOG_LEVEL: `must be one of ${schema.properties.LOG_LEVEL.enum.join(', ')}`
}

/** Variables whose values are never shown in an error. */
const SECRETS = ['PUBLISH_TOKEN', 'METRICS_TOKEN', 'REDIS_URL', 'LLM_API_KEY', 'LLM_BASE_URL']

/**
 * Reads the configuration from environment variables.
 *
 * @throws Error with one line for each invalid variable
 */
export function readConfig (env: NodeJS.ProcessEnv): Config {
  try {
    return envSchema<Config>({
      schema,
      data: env,
      env: false,
      ajv: { customOptions: ajv => ajv.addFormat('redis-url', isRedisUrl).addFormat('addresses', areAddresses) }
    })
  } catch (error) {
    const problems = (error as { errors: Array<{ instancePath: string, message: string }> }).errors
    throw new Error(problems.map(({ instancePath, message }) => {
      const name = instancePath.slice(1)
      const value = SECRETS.includes(name) ? '' : `; received ${JSON.stringify(env[name])}`
      return `${name} ${RULES[name] ?? message}${value}`
    }).join('\n'))
  }
}

/** Whether the Redis client accepts a URL. */
function isRedisUrl (url: string): boolean {
  if (url === '') return true
  try {
    const { protocol, username, password, pathname } = new URL(url)
    decodeURIComponent(username + password)
    return /^rediss?:$/.test(protocol) && /^\/?\d*$/.test(pathname)
  } catch {
    return false
  }
}

/** Whether a value is a list of IP addresses, each optionally with the length of its prefix. */
function areAddresses (value: string): boolean {
  if (value === '') return true
  return value.split(',').every(range => {
    const [address = '', bits, ...rest] = range.split('/')
    const maxBits = isIP(address) === 4 ? 32 : 128
    return isIP(address) !== 0 && rest.length === 0 && (bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= maxBits))
  })
}
