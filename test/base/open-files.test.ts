import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import fastify from 'fastify'
import t, { type Test } from 'tap'
import { maxOpenFiles, warnOfOpenFiles } from '../../plugin/base/open-files.ts'
import { build, WARN } from '../fixtures/app.ts'

const IS_LINUX = process.platform === 'linux'

/** Reads a file with these lines. */
function read (t: Test, ...lines: string[]): number | undefined {
  return maxOpenFiles(`${t.testdir({ limits: lines.map(line => `${line}\n`).join('') })}/limits`)
}

t.test('the soft limit of open files is read', async t => {
  const header = 'Limit                     Soft Limit           Hard Limit           Units     '
  t.equal(read(t, header, 'Max core file size        0                    unlimited            bytes     ', 'Max open files            1024                 4096                 files     '), 1_024)
  t.equal(read(t, header, 'Max open files            unlimited            unlimited            files     '), undefined)
  t.equal(read(t, header), undefined)
  t.equal(maxOpenFiles(`${t.testdirName}/missing`), undefined)
})

t.test('a warning states both limits if maxConnections is not below the number of files', async t => {
  const lines: string[] = []
  const { log } = fastify({ logger: { stream: { write: line => { lines.push(line) } } } })
  for (const [maxConnections, maxFiles] of [[999, 1_000], [0, 1_000]] as const) warnOfOpenFiles(log, maxConnections, maxFiles)
  t.strictSame(lines, [])
  warnOfOpenFiles(log, 1_000, 1_000)
  t.equal(lines.length, 1)
  t.match(JSON.parse(lines[0]!), { level: WARN, maxConnections: 1_000, maxOpenFiles: 1_000 })
})

t.test('an application that listens warns once', { skip: IS_LINUX ? false : 'the limit of open files is read on Linux only' }, async t => {
  const code = `
    import fastify from 'fastify'
    import sse from 'fastify-sse-emitter'
    const app = fastify({ logger: true })
    await app.register(sse, { maxConnections: 300 })
    await app.listen({ port: 0, host: '127.0.0.1' })
    await app.close()`
  const run = async (files: number): Promise<Array<{ level: number, maxConnections: number, maxOpenFiles: number }>> => {
    const { stdout } = await promisify(execFile)('sh', ['-c', `ulimit -n ${files} && exec "$@"`, 'sh', process.execPath, ...process.execArgv, '--input-type=module', '--eval', code])
    return stdout.trim().split('\n').map(line => JSON.parse(line)).filter(({ level }) => level >= WARN)
  }
  t.match(await run(256), [{ level: WARN, maxConnections: 300, maxOpenFiles: 256 }])
  t.strictSame(await run(512), [])
})

t.test('an application that does not listen does not warn', async t => {
  const { app, logs } = await build(t, { maxConnections: 2 ** 31 })
  await app.ready()
  t.strictSame(logs, [])
})
