import { execFile, spawn } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { runInNewContext } from 'node:vm'
import { EventSource } from 'eventsource'
import t from 'tap'
import { call, decode } from './fixtures/client.ts'
import { compileQuickly, PROJECTS } from './fixtures/compile.ts'
import { until } from './fixtures/until.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')
const BIN = join(ROOT, 'node_modules')
const execute = promisify(execFile)

/** Runs a program without the hooks that tap adds to each child process, which would take a third of its time. */
const run = async (cwd: string, ...command: string[]): Promise<string> => (await execute('env', ['-u', 'NODE_OPTIONS', ...command], { cwd })).stdout
const npm = async (cwd: string, ...args: string[]): Promise<string> => await run(cwd, 'npm', ...args)
const node = async (cwd: string, ...args: string[]): Promise<string> => await run(cwd, process.execPath, ...args)

/** What `npm pack` prints about the package. */
interface Packed { filename: string, size: number, files: Array<{ path: string, size: number }> }

t.test('the package', async t => {
  const project = t.testdir({})
  // Other tests check the types.
  await npm(ROOT, 'run', 'build', '--', '--noCheck')
  const [packed] = JSON.parse(await npm(ROOT, 'pack', '--ignore-scripts', '--json', '--pack-destination', project)) as [Packed]
  const tarball = join(project, packed.filename)

  t.test('contains only what a user needs', async t => {
    const pictures = packed.files.filter(({ path }) => path.endsWith('.png')).reduce((total, { size }) => total + size, 0)
    t.ok(packed.size - pictures < 640 * 1_024, `${packed.size - pictures} bytes without pictures`)
    t.ok(pictures < 600 * 1_024, `${pictures} bytes of pictures`)
    const others = packed.files.map(({ path }) => path).filter(path => !/^(plugin\/[\w/-]+\.ts|dist\/plugin\/[\w/-]+\.(js|d\.ts)(\.map)?|docs\/[\w-]+\.md|docs\/images\/\w+\.png)$/.test(path))
    t.strictSame(others.sort(), ['CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json'])
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    t.strictSame(Object.keys(dependencies), ['@fastify/error', 'fastify-plugin'])
  })

  t.test('contains what its documents link to', async t => {
    const paths = new Set(packed.files.map(({ path }) => path))
    for (const document of [...paths].filter(path => path.endsWith('.md'))) {
      const text = readFileSync(join(ROOT, document), 'utf8')
      for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#]+)/g)) t.ok(paths.has(posix.join(posix.dirname(document), target!)), `${document}: ${target}`)
    }
  })

  t.test('can be resolved without its exports', async t => {
    const { main, types, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    t.strictSame([main, types], [exports['.'].default, exports['.'].types])
  })

  t.test('passes publint and attw', async () => {
    await node(ROOT, join(BIN, 'publint/src/cli.js'), tarball, '--strict')
    await node(ROOT, join(BIN, '@arethetypeswrong/cli/dist/index.js'), tarball, '--profile', 'esm-only')
  })

  // A new project, as a user has it.
  writeFileSync(join(project, 'package.json'), '{}')
  await npm(project, 'install', '--prefer-offline', '--no-audit', '--no-fund', 'fastify', '@types/node@20', tarball)
  const write = (name: string, text: string): void => { writeFileSync(join(project, name), text) }

  t.test('can be imported', async t => {
    write('import.mjs', `
      import fastify from 'fastify'
      import sse, { errors, event } from 'fastify-sse-emitter'
      const app = fastify()
      await app.register(sse)
      app.get('/', async (_request, reply) => {
        const emitter = reply.sse()
        await emitter.sendAll([event('hi', { id: '1' })])
        emitter.complete()
      })
      const { body } = await app.inject('/')
      console.log(JSON.stringify([body, new errors.SSE_ERR_CLOSED('client').reason]))`)
    t.strictSame(JSON.parse(await node(project, 'import.mjs')), ['id:1\ndata:hi\n\n', 'client'])
  })

  t.test('has a client without dependencies, readers of models that need undici, and a Redis broker that needs @redis/client', async t => {
    write('client.mjs', `
      import { connect } from 'fastify-sse-emitter/client'
      console.log(typeof connect)`)
    t.equal(await node(project, 'client.mjs'), 'function\n')
    // Copied, which is faster than installing them.
    const { dependencies } = JSON.parse(readFileSync(join(BIN, '@redis/client/package.json'), 'utf8'))
    for (const name of ['undici', '@redis/client', ...Object.keys(dependencies)]) cpSync(join(BIN, name), join(project, 'node_modules', name), { recursive: true })
    write('llm.mjs', `
      import { streamChatCompletions } from 'fastify-sse-emitter/llm'
      console.log(typeof streamChatCompletions)`)
    t.equal(await node(project, 'llm.mjs'), 'function\n')
    write('redis.mjs', `
      import { redisBroker } from 'fastify-sse-emitter/redis'
      console.log(typeof redisBroker)`)
    t.equal(await node(project, 'redis.mjs'), 'function\n')
  })

  t.test('can be required', async t => {
    write('require.cjs', `
      const app = require('fastify')()
      app.register(require('fastify-sse-emitter'))
      app.get('/', async (_request, reply) => {
        const emitter = reply.sse()
        emitter.send('hi')
        emitter.complete()
      })
      app.inject('/').then(({ body }) => console.log(JSON.stringify([body, typeof require('fastify-sse-emitter').event])))`)
    t.strictSame(JSON.parse(await node(project, '--no-warnings', 'require.cjs')), ['data:hi\n\n', 'function'])
  })

  // `npm run test:matrix` compiles the other programs too, with several versions of TypeScript, and checks all libraries.
  t.test('has types that a strict compiler accepts, in Node.js and for a bundler', async t => {
    const projects = PROJECTS.map(project => ({ ...project, files: project.files.filter(name => name !== 'type-providers.mts') }))
    t.strictSame(compileQuickly(project, projects), [])
  })

  t.test('runs the quick start of the README unchanged', async t => {
    const [, example] = /^```js\n([^]*?)^```$/m.exec(README)!
    write('server.mjs', example!)
    const server = spawn(process.execPath, ['server.mjs'], { cwd: project, env: { ...process.env, PORT: '0' } })
    t.teardown(() => server.kill())
    let log = ''
    server.stdout.setEncoding('utf8').on('data', chunk => { log += chunk })
    server.stderr.setEncoding('utf8').on('data', chunk => { log += chunk })
    await until(() => log.includes('Server listening') || server.exitCode !== null, 'the server listens')
    const { port } = new URL(/listening at (http:\/\/127[^"]+)/.exec(log)![1]!)
    const start = performance.now()
    const { body } = await call(`http://127.0.0.1:${port}/count`).readAll()
    t.ok(performance.now() - start > 2_900)
    t.strictSame(decode(body).events.map(({ data }) => data), ['{"number":1}', '{"number":2}', '{"number":3}', 'no more numbers'])
    const [, shown] = /^```\n(data:[^]*?)^```$/m.exec(README)!
    t.equal(body, shown, 'the output shown in the README')
    await until(() => log.includes('"msg":"closed: complete"'), 'the end of the stream is logged')

    const [, page] = /<script>\n([^]*?)<\/script>/.exec(README)!
    const sources: EventSource[] = []
    const lines: Array<number | string> = []
    const PageSource = class extends EventSource {
      constructor (path: string) {
        super(`http://127.0.0.1:${port}${path}`)
        sources.push(this)
      }
    }
    runInNewContext(page!, { EventSource: PageSource, console: { log: (line: number | string) => { lines.push(line) } } })
    t.teardown(() => { sources[0]!.close() })
    await until(() => sources[0]!.readyState === EventSource.CLOSED, 'the EventSource has stopped')
    t.strictSame(lines, [1, 2, 3, 'no more numbers'], 'the page shown in the README')
  })
})
