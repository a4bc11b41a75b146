import t from 'tap'
import { readConfig } from '../../server/config.ts'

t.test('every variable has a default', async t => {
  t.strictSame({ ...readConfig({}) }, {
    HOST: '127.0.0.1',
    PORT: 3_000,
    CORS_ORIGIN: '',
    ALLOWED_HOSTS: '',
    TRUST_PROXY: '',
    DRAIN_MS: 0,
    CHAT_INTERVAL_MS: 3_000,
    PUBLISH_TOKEN: '',
    METRICS_TOKEN: '',
    REDIS_URL: '',
    LLM_BASE_URL: '',
    LLM_API_KEY: '',
    LLM_MODEL: 'embedded',
    LLM_PACE_MS: 30,
    MARKET_SYMBOLS: 24,
    MARKET_INTERVAL_MS: 100,
    MARKET_SEED: 6,
    LOG_LEVEL: 'info'
  })
})

t.test('variables are read, and unknown ones are ignored', async t => {
  const env = { HOST: '0.0.0.0', PORT: '8080', CORS_ORIGIN: 'https://a.example,http://b.example:81', ALLOWED_HOSTS: 'a.example,B.example', TRUST_PROXY: '127.0.0.1,10.0.0.0/8,::1,fd00::/128', DRAIN_MS: '5000', CHAT_INTERVAL_MS: '0', PUBLISH_TOKEN: 'p@ss!word', METRICS_TOKEN: 's3cret', REDIS_URL: 'rediss://user:p%40ss@[::1]:6380/1', LLM_BASE_URL: 'https://api.example/v1', LLM_API_KEY: 'k', LLM_MODEL: 'm', LLM_PACE_MS: '0', MARKET_SYMBOLS: '200', MARKET_INTERVAL_MS: '50', MARKET_SEED: '0', LOG_LEVEL: 'debug' }
  t.strictSame({ ...readConfig({ ...env, PATH: '/bin' }) }, { ...env, PORT: 8_080, DRAIN_MS: 5_000, CHAT_INTERVAL_MS: 0, LLM_PACE_MS: 0, MARKET_SYMBOLS: 200, MARKET_INTERVAL_MS: 50, MARKET_SEED: 0 })
})

t.test('an invalid value is rejected with a line that names the variable', async t => {
  const rows: Array<[NodeJS.ProcessEnv, string]> = [
    [{ HOST: '' }, 'HOST must not be empty; received ""'],
    [{ PORT: 'http' }, 'PORT must be integer; received "http"'],
    [{ PORT: '65536' }, 'PORT must be <= 65535; received "65536"'],
    [{ PORT: '80.5' }, 'PORT must be integer; received "80.5"'],
    [{ CHAT_INTERVAL_MS: '-1' }, 'CHAT_INTERVAL_MS must be >= 0; received "-1"'],
    [{ CORS_ORIGIN: '*' }, 'CORS_ORIGIN must be origins such as https://example.com, separated by commas; received "*"'],
    [{ CORS_ORIGIN: 'https://a.example/' }, 'CORS_ORIGIN must be origins such as https://example.com, separated by commas; received "https://a.example/"'],
    [{ ALLOWED_HOSTS: 'a.example:80' }, 'ALLOWED_HOSTS must be host names such as demo.example.com, without ports, separated by commas; received "a.example:80"'],
    ...['proxy.example', '127.0.0.1 ', '10.0.0.0/33', '10.0.0.0/0', '10.0.0.0/', '10.0.0.0/8/8', 'fd00::/129', '127.0.0.1,'].map((TRUST_PROXY): [NodeJS.ProcessEnv, string] => [
      { TRUST_PROXY }, `TRUST_PROXY must be addresses or ranges such as 127.0.0.1 or 10.0.0.0/8, separated by commas; received "${TRUST_PROXY}"`
    ]),
    [{ DRAIN_MS: '-1' }, 'DRAIN_MS must be >= 0; received "-1"'],
    [{ LLM_BASE_URL: 'localhost:8080' }, 'LLM_BASE_URL must be a URL such as https://api.openai.com/v1'],
    [{ LLM_API_KEY: 'two words' }, 'LLM_API_KEY must be printable ASCII without spaces, because it is sent in a header'],
    [{ MARKET_SYMBOLS: '201' }, 'MARKET_SYMBOLS must be <= 200; received "201"'],
    [{ LOG_LEVEL: 'loud' }, 'LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent; received "loud"'],
    [{ PORT: '-1', LOG_LEVEL: '' }, 'PORT must be >= 0; received "-1"\nLOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent; received ""']
  ]
  for (const [env, message] of rows) t.throws(() => readConfig(env), { message })
})

t.test('a token that does not fit into a header is rejected without showing it', async t => {
  for (const token of ['two words', 'schlüssel', 'line\n']) {
    for (const name of ['PUBLISH_TOKEN', 'METRICS_TOKEN']) t.throws(() => readConfig({ [name]: token }), { message: `${name} must be printable ASCII without spaces, because it is sent in a header` })
  }
})

t.test('an invalid Redis URL is rejected without showing it, since it may contain a password', async t => {
  for (const url of ['localhost:6379', 'http://localhost', 'redis://:secret@host:port', 'redis://user:secret%@host', 'redis://:secret@host/name', 'redis://[', ' ']) {
    t.throws(() => readConfig({ REDIS_URL: url }), { message: 'REDIS_URL must be a URL such as redis://127.0.0.1:6379, or rediss:// for TLS' }, url)
  }
  for (const url of ['redis://localhost', 'redis://localhost/', 'redis://:secret@host:6379', 'rediss://user:@host/15']) t.equal(readConfig({ REDIS_URL: url }).REDIS_URL, url)
})
