import { execFile, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { call, decode } from './fixtures/client.ts'
import { until } from './fixtures/until.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')
const BIN = join(ROOT, 'node_modules')
const execute = promisify(execFile)

/** By way of a shell, because npm is a script on Windows. */
const npm = async (args: string[], cwd: string): Promise<string> => (await execute('npm', args, { cwd, shell: process.platform === 'win32' })).stdout

/** What `npm pack` says of the package. */
interface Packed { filename: string, size: number, files: Array<{ path: string }> }

t.test('the package', async t => {
  const project = t.testdir({})
  // Other tests check the types.
  await npm(['run', 'build', '--', '--noCheck'], ROOT)
  const [packed] = JSON.parse(await npm(['pack', '--ignore-scripts', '--json', '--pack-destination', project], ROOT)) as [Packed]
  const tarball = join(project, packed.filename)

  t.test('holds what a user needs and nothing else', async t => {
    t.ok(packed.size < 400 * 1_024, `${packed.size} bytes`)
    const others = packed.files.map(({ path }) => path).filter(path => !/^(plugin\/[\w/-]+\.ts|dist\/plugin\/[\w/-]+\.(js|d\.ts)(\.map)?)$/.test(path))
    t.strictSame(others.sort(), ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'])
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    t.strictSame(Object.keys(dependencies), ['@fastify/error', 'fastify-plugin'])
  })

  t.test('is as those who check packages want it', async () => {
    await execute(process.execPath, [join(BIN, 'publint/src/cli.js'), tarball, '--strict'], { cwd: ROOT })
    await execute(process.execPath, [join(BIN, '@arethetypeswrong/cli/dist/index.js'), tarball, '--profile', 'esm-only'], { cwd: ROOT })
  })

  // A new project, as a user has it.
  writeFileSync(join(project, 'package.json'), '{}')
  await npm(['install', '--prefer-offline', 'fastify', '@types/node@20', tarball], project)
  const write = (name: string, text: string): void => { writeFileSync(join(project, name), text) }
  const run = async (...args: string[]): Promise<string> => (await execute(process.execPath, args, { cwd: project })).stdout

  t.test('works by import', async t => {
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
    t.strictSame(JSON.parse(await run('import.mjs')), ['id:1\ndata:hi\n\n', 'client'])
  })

  t.test('brings a client that needs nothing else, and readers of models and a broker in Redis for who has what they need', async t => {
    write('client.mjs', `
      import { connect } from 'fastify-sse-emitter/client'
      console.log(typeof connect)`)
    t.equal(await run('client.mjs'), 'function\n')
    await npm(['install', '--prefer-offline', 'undici@7'], project)
    write('llm.mjs', `
      import { streamChatCompletions } from 'fastify-sse-emitter/llm'
      console.log(typeof streamChatCompletions)`)
    t.equal(await run('llm.mjs'), 'function\n')
    await npm(['install', '--prefer-offline', 'redis@6'], project)
    write('redis.mjs', `
      import { redisBroker } from 'fastify-sse-emitter/redis'
      console.log(typeof redisBroker)`)
    t.equal(await run('redis.mjs'), 'function\n')
  })

  t.test('works by require', async t => {
    write('require.cjs', `
      const app = require('fastify')()
      app.register(require('fastify-sse-emitter')).after(() => {
        app.get('/', async (_request, reply) => {
          const emitter = reply.sse()
          emitter.send('hi')
          emitter.complete()
        })
      })
      app.inject('/').then(({ body }) => console.log(JSON.stringify([body, typeof require('fastify-sse-emitter').event])))`)
    t.strictSame(JSON.parse(await run('--no-warnings', 'require.cjs')), ['data:hi\n\n', 'function'])
  })

  t.test('has types, for a strict compiler that checks libraries as well', async t => {
    write('tsconfig.json', JSON.stringify({
      compilerOptions: { module: 'nodenext', target: 'es2023', strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: false, types: ['node'] },
      files: ['use.mts', 'use.cts']
    }))
    const use = `
      const app = fastify()
      app.register(sse, { heartbeat: 1_000 }).after(() => {
        app.get('/', async (_request, reply) => {
          const emitter = reply.sse<{ delta: { text: string } }>({ timeout: 5 })
          await emitter.send({ text: 'hi' }, { event: 'delta' })
          // @ts-expect-error the data of another event
          await emitter.send({ txet: 'hi' }, { event: 'delta' })
          return emitter
        })
      })`
    write('use.mts', `import fastify from 'fastify'\nimport sse from 'fastify-sse-emitter'\n${use}`)
    write('use.cts', `import fastify = require('fastify')\nimport sse = require('fastify-sse-emitter')\n${use.replaceAll('fastify()', 'fastify.fastify()').replace('(sse,', '(sse.default,')}`)
    const { stdout } = await execute(process.execPath, [join(BIN, 'typescript/bin/tsc'), '-p', project]).catch(error => error as { stdout: string })
    t.equal(stdout, '')
  })

  t.test('runs the README\'s quick start unchanged', async t => {
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
    const { body } = await call(`http://127.0.0.1:${port}/count`).answer()
    t.ok(performance.now() - start > 2_900)
    t.strictSame(decode(body).events.map(({ data }) => data), ['{"number":1}', '{"number":2}', '{"number":3}'])
    const [, shown] = /^```\n(data:[^]*?)^```$/m.exec(README)!
    t.equal(body, shown, 'the output shown in the README')
    await until(() => log.includes('"msg":"closed: complete"'), 'the end of the stream is logged')
  })
})
