import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { sleep } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'
import { suiteWith } from '../fixtures/programs.ts'

const MAIN = fileURLToPath(new URL('../../server/main.ts', import.meta.url))

interface Server {
  child: ChildProcess
  stdout: () => string
  stderr: () => string
  /** How it ended. */
  exit: Promise<[code: number | null, signal: string | null]>
}

function start (t: Test, env: NodeJS.ProcessEnv, command = process.execPath, args = [...process.execArgv, MAIN]): Server {
  const child = spawn(command, args, { env: { ...process.env, PORT: '0', ...env } })
  t.teardown(() => child.kill('SIGKILL'))
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', chunk => { stdout += chunk })
  child.stderr.setEncoding('utf8').on('data', chunk => { stderr += chunk })
  return { child, stdout: () => stdout, stderr: () => stderr, exit: once(child, 'close') as Server['exit'] }
}

async function listening ({ stdout, child, stderr }: Server): Promise<URL> {
  for (;;) {
    const address = /listening at (http:\/\/[\d.:]+)/.exec(stdout())
    if (address !== null) return new URL(address[1]!)
    if (child.exitCode !== null) throw new Error(stderr())
    await sleep(10)
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  t.test(`${signal} completes the streams and exits with code 0`, async t => {
    const server = start(t, { LLM_PACE_MS: '10000' })
    const url = await listening(server)
    const { response, readAll } = call(new URL('/learn/sseChat?name=x', url))
    await response
    await call(new URL('/chat', url), { method: 'POST', headers: { 'content-type': 'application/json' } }, '{"messages":[{"role":"user","content":"hello"}]}').readAll()
    // What a browser keeps at hand.
    const idle = net.connect(Number(url.port), '127.0.0.1').on('error', () => {})
    await once(idle, 'connect')
    const sent = performance.now()
    server.child.kill(signal)
    const { body } = await readAll()
    t.equal(decode(body).retries.length, 1)
    t.strictSame(await server.exit, [0, null])
    t.ok(performance.now() - sent < 30_000, 'does not wait for the idle connection')
    const lines = server.stdout().trim().split('\n').map(line => JSON.parse(line))
    t.ok(lines.some(({ msg }) => msg.startsWith(`received ${signal}; streams to close: `)), 'logs the signal, as JSON without a terminal')
    t.match(lines.find(({ msg }) => msg.startsWith('received')).msg, /streams to close: [12], runs to end: 1$/, 'the run may read the built-in model by then')
    // A line that could not be written at once may be written after later ones.
    t.equal(lines.filter(({ level, msg }) => level === 30 && /^closed in \d+ ms$/.test(msg)).length, 1)
    t.equal(server.stderr(), '')
  })
}

t.test('after SIGTERM a server serves requests for DRAIN_MS, while /readyz answers 503', async t => {
  const server = start(t, { DRAIN_MS: '600000' })
  const url = await listening(server)
  server.child.kill('SIGTERM')
  while ((await fetch(new URL('/readyz', url))).status === 200) await sleep(10)
  t.equal((await fetch(new URL('/readyz', url))).status, 503)
  t.equal((await call(new URL('/learn/sseChat?name=x', url)).response).statusCode, 200)
})

t.test('a second signal ends the server, which logs it as JSON', async t => {
  const server = start(t, { DRAIN_MS: '600000' })
  await listening(server)
  server.child.kill('SIGTERM')
  while (!server.stdout().includes('closing in')) await sleep(10)
  server.child.kill('SIGTERM')
  t.strictSame(await server.exit, [1, null])
  const lines = server.stdout().trim().split('\n').map(line => JSON.parse(line))
  t.match(lines.at(-1), { level: 50, msg: 'second SIGTERM, exiting' })
  t.equal(server.stderr(), '')
})

t.test('after DRAIN_MS a server closes its streams and exits with code 0', async t => {
  const server = start(t, { DRAIN_MS: '300' })
  const url = await listening(server)
  const { response, readAll } = call(new URL('/learn/sseChat?name=x', url))
  await response
  const sent = performance.now()
  server.child.kill('SIGTERM')
  t.equal(decode((await readAll()).body).retries.length, 1)
  // A timer may fire a millisecond early.
  t.ok(performance.now() - sent > 250)
  t.strictSame(await server.exit, [0, null])
})

t.test('`npm start` runs the sources without a build', async t => {
  const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const [command, ...args] = scripts.start.split(' ')
  t.equal(command, 'node')
  const server = start(t, {}, process.execPath, args)
  t.equal((await fetch(new URL('/healthz', await listening(server)))).status, 200)
  t.ok(args.includes('server/main.ts'))
})

t.test('a port in use prints one line and exits with code 1', async t => {
  const taken = net.createServer()
  await once(taken.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as net.AddressInfo
  const server = start(t, { PORT: String(port) })
  t.strictSame(await server.exit, [1, null])
  t.equal(server.stderr(), `Cannot listen on 127.0.0.1:${port}: listen EADDRINUSE: address already in use 127.0.0.1:${port}\n`)
})

t.test('an invalid setting prints one line and exits with code 1', async t => {
  const server = start(t, { CHAT_INTERVAL_MS: 'soon' })
  t.strictSame(await server.exit, [1, null])
  t.equal(server.stderr(), 'CHAT_INTERVAL_MS must be integer; received "soon"\n')
})

t.test('an uncaught error is logged and exits with code 1', async t => {
  const server = start(t, { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=data:text/javascript,process.on(%22SIGUSR2%22,()=>{throw(new(Error)(%22uncaught%22))})` })
  await listening(server)
  server.child.kill('SIGUSR2')
  t.strictSame(await server.exit, [1, null])
  t.match(server.stdout(), /"level":60.*"message":"uncaught"/)
})

// It gives a process a terminal.
suiteWith(t, 'script', 'in a terminal', async (t, script) => {
  // `exec`: a shell in between would get the signal as well, and say so by its own exit code.
  const command = ['exec', process.execPath, ...process.execArgv, MAIN].map(argument => `'${argument}'`).join(' ')
  const server = start(t, {}, script, ['-qec', command, '/dev/null'])
  await listening(server)
  t.match(server.stdout(), /^\[\d\d:\d\d:\d\d\.\d{3}\] .*INFO.*: .*Server listening at/m, 'the log is readable')
  server.child.stdin!.write('\u0003')
  t.strictSame(await server.exit, [0, null])
})
