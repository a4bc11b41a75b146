import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { runInThisContext, Script } from 'node:vm'
import fastify from 'fastify'
import t from 'tap'
import ts from 'typescript'
import sse from 'fastify-sse-emitter'
import * as errors from '../plugin/base/errors.ts'
import { resolveConnectOptions } from '../plugin/client/options.ts'
import { resolvePluginOptions } from '../plugin/hub-options.ts'
import { decode } from './fixtures/client.ts'
import { demo } from './fixtures/demo.ts'
import { suiteWith } from './fixtures/programs.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')
const DOCS = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...readdirSync(join(ROOT, 'docs')).filter(name => name.endsWith('.md')).map(name => `docs/${name}`)]

/** Declares what the examples use without importing or declaring it. */
const CONTEXT = `
import type {} from '@fastify/session'
import type { EventEmitter } from 'node:events'
import type { FastifyInstance } from 'fastify'
import type { FastifyReply } from 'fastify'
import type { FastifyRequest } from 'fastify'
import type { SseChannel } from 'fastify-sse-emitter'
import type { SseEmitter } from 'fastify-sse-emitter'
import sse from 'fastify-sse-emitter'
declare module 'fastify' { interface Session { userId?: string } }
declare const app: FastifyInstance
declare const request: FastifyRequest
declare const reply: FastifyReply
declare const emitter: SseEmitter
declare const prices: SseChannel
// In a page.
declare class EventSource { constructor (url: string); addEventListener (type: string, listener: () => void): void }
declare function reload (): void
declare const location: { href: string }
declare function renewToken (): Promise<string>
declare function requireUser (request: FastifyRequest, reply: FastifyReply): Promise<void>
declare function groupsOf (userId: string): Promise<string[]>
declare function saveGroups (id: string, groups: string[]): Promise<void>
declare const metrics: typeof import('../server/metrics.ts').metrics
declare const market: EventEmitter
declare const job: { done: boolean, run: (emitter: SseEmitter) => void }
declare function writeReport (signal: AbortSignal): AsyncIterable<string>
declare const user: { id: string, groups: string[] }
declare const database: { orders (): Promise<object[]>, save (order: object): Promise<void>, answer (id: string): Promise<object | undefined> }
declare function talk (name: string, emitter: SseEmitter): void
`

/** What can only stand at the top level of a module. */
const TOP_LEVEL = /^import .*$|^declare module [^]*?^}$/gm

/** The tests that use the blocks of a document in a language. */
const USED_BY: Record<string, string[]> = {
  'README.md': ['test/package.test.ts'],
  'README.md nginx': ['test/integration/nginx.test.ts'],
  'docs/redis.md': ['test/redis/redis-broker.test.ts', 'test/redis/cluster-broker.test.ts'],
  'docs/typescript.md cts': ['test/fixtures/compile.ts'],
  'docs/observability.md json': ['test/integration/observability.test.ts'],
  'docs/deploying.md nginx': ['test/fixtures/proxies.ts'],
  'docs/deploying.md haproxy': ['test/fixtures/proxies.ts'],
  'docs/deploying.md http': ['test/fixtures/proxies.ts'],
  'docs/deploying.md caddy': ['test/fixtures/proxies.ts'],
  'docs/deploying.md yaml': ['test/integration/deploying.test.ts']
}

interface Block { file: string, name: string, language: string, code: string }

function blocks (): Block[] {
  return DOCS.flatMap(file => {
    const text = readFileSync(join(ROOT, file), 'utf8')
    return Array.from(text.matchAll(/^```(\w*)\n([^]*?)^```$/gm), ([, language = '', code = ''], index) => ({ file, name: `${file}, block ${index + 1}`, language, code }))
  })
}

t.test('every TypeScript and JavaScript example compiles', async t => {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT)
  const files = new Map<string, { name: string, text: string }>()
  for (const [index, { name, language, code }] of blocks().entries()) {
    // vitest is not installed: test:matrix runs its example.
    if ((language !== 'ts' && language !== 'js') || code.includes("from 'vitest'")) continue
    // An example may import or declare a name of the context again, in a scope of its own.
    const imports = code.match(TOP_LEVEL)?.join('\n') ?? ''
    const rest = code.replaceAll(TOP_LEVEL, '')
    // JavaScript examples and modules are complete.
    const imported = new Set(code.match(/^import .*(?= from )/gm)?.join().match(/\w+/g))
    const context = CONTEXT.split('\n').filter(line => !imported.has(/^(?:declare \w+|import type {) (\w+)/.exec(line)?.[1] ?? '')).join('\n')
    const text = language === 'js' || /^export /m.test(code) ? code : `${context}\n${imports}\nexport async function example () {\n${rest}\n}\n`
    // Examples that others import begin with their name.
    const [, file = `docs-${index}`] = /^\/\/ (\S+)\.js\n/.exec(code) ?? []
    files.set(join(ROOT, `test/${file}.ts`), { name, text })
  }
  t.ok(files.size > 8, `${files.size} examples`)
  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists, readFile } = host
  host.fileExists = path => files.has(path) || fileExists(path)
  host.readFile = path => files.get(path)?.text ?? readFile(path)
  host.getSourceFile = (path, language, ...rest) => {
    const file = files.get(path)
    return file === undefined ? getSourceFile.call(host, path, language, ...rest) : ts.createSourceFile(path, file.text, language)
  }
  const program = ts.createProgram([...files.keys()], { ...options, noUnusedLocals: false, noUnusedParameters: false }, host)
  for (const [path, { name }] of files) {
    const problems = ts.getPreEmitDiagnostics(program, program.getSourceFile(path)).map(({ messageText, start, file }) => {
      const line = file?.text.slice(0, start).split('\n').length ?? 0
      return `${ts.flattenDiagnosticMessageText(messageText, ' ')}: ${file?.text.split('\n')[line - 1]}`
    })
    t.strictSame(problems, [], name)
  }
})

t.test('the route of a run in the README answers 404 to an unknown id', async t => {
  const [example] = blocks().filter(({ file, code }) => file === 'README.md' && code.includes('runs.start('))
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(sse)
  const run = runInThisContext(`async (app, writeReport) => {${ts.transpile(example!.code, { target: ts.ScriptTarget.ES2022 })}}`)
  await run(app, async function * () { yield 'a' })
  t.match(decode((await app.inject('/answers/answer-1')).body).events, [{ event: 'sse-ready' }, { data: 'a' }, { event: 'done' }])
  t.equal((await app.inject('/answers/answer-2')).statusCode, 404)
})

suiteWith(t, 'curl', 'every shell command', async t => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const commands = blocks().filter(({ language }) => language === 'sh')
    .flatMap(({ name, code }) => code.trim().split(/\n|&&/).map(command => ({ name, command: command.replace(/(#.*|&)$/, '').trim() })))
  const { url } = await demo(t)
  for (const { name, command } of commands) {
    const [program, ...args] = command.split(' ')
    const message = `${name}: ${command}`
    if (program === 'curl') t.ok(await firstOutput(command.replace('curl', 'curl --fail').replace('http://127.0.0.1:3000', url.origin)), message)
    else if (program === 'npm') t.ok(['ci', 'install'].includes(args[0]!) || args.find(arg => arg !== 'run')! in scripts, message)
    else if (program === 'npx') t.ok(args[0] === 'tap' && existsSync(join(ROOT, args[2]!)), message)
    else t.fail(message)
  }
})

/** Runs a command until it has written something. @returns what it wrote */
async function firstOutput (command: string): Promise<string> {
  const shell = spawn('sh', ['-c', `exec ${command}`], { stdio: ['ignore', 'pipe', 'ignore'] })
  const [output] = await Promise.race([once(shell.stdout, 'data'), once(shell, 'close').then(() => [''])]) as [unknown]
  shell.kill()
  return String(output)
}

t.test('every page script parses', async t => {
  for (const { name, language, code } of blocks()) {
    if (language === 'html') t.ok(new Script(/<script>([^]*)<\/script>/.exec(code)![1]!), name)
  }
})

t.test('every other block of this project is used by a test', async t => {
  for (const { file, name, language } of blocks()) {
    // Java is Spring's code, for comparison.
    if (['ts', 'js', 'sh', 'html', 'java'].includes(language)) continue
    const users = USED_BY[`${file} ${language}`.trim()] ?? []
    t.ok(users.length > 0, `${name}: ${language}`)
    for (const test of users) t.ok(readFileSync(join(ROOT, test), 'utf8').includes(basename(file)), `${test} reads ${file}`)
  }
})

t.test('the README lists every option with its default, and every error code', async t => {
  const rows = new Map(Array.from(README.matchAll(/^\| `(\w+)` \| (?:`(.*?)`)? ?\|/gm), ([, name, value]) => [name!, value]))
  const { serializer, ...settings } = resolvePluginOptions({})
  for (const [name, value] of Object.entries({ ...settings, serializer: 'JSON.stringify' })) {
    t.ok(rows.has(name), name)
    const shown = typeof value === 'object' ? '{}' : name === 'serializer' ? value : typeof value === 'string' ? `'${value}'` : value === undefined ? undefined : String(value)
    t.equal(rows.get(name), shown, `the default of ${name}`)
  }
  for (const code of Object.keys(errors)) t.match(README, `| \`${code}\` |`)
})

t.test('the page on the client lists every option with its default, and every error code', async t => {
  const page = readFileSync(join(ROOT, 'docs/client.md'), 'utf8')
  const { retry, ...settings } = resolveConnectOptions({})
  const options = { ...settings, ...Object.fromEntries(Object.entries(retry).map(([name, value]) => [`retry.${name}`, value])) }
  for (const [name, value] of Object.entries(options)) {
    t.ok(page.includes(`| \`${name}\` | ${value === undefined ? '' : `\`${inspect(value)}\` `}|`), name)
  }
  const source = readFileSync(join(ROOT, 'plugin/client/errors.ts'), 'utf8')
  for (const [code] of source.matchAll(/SSE_CLIENT_ERR_\w+/g)) t.ok(page.includes(`| \`${code}\` |`), code)
})

t.test('every link between the documents leads to a file', async t => {
  for (const file of DOCS) {
    const text = readFileSync(join(ROOT, file), 'utf8')
    for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#]+)/g)) t.doesNotThrow(() => readFileSync(join(ROOT, file, '..', target!)), `${file}: ${target}`)
  }
})

t.test('the page on reliability has a row for each fault, and the tests it names exist', async t => {
  const page = readFileSync(join(ROOT, 'docs/reliability.md'), 'utf8')
  const rows = Array.from(page.matchAll(/^\| (\d+) \| .* \| (.*) \|$/gm), ([, number, test]) => ({ number: Number(number), test: test! }))
  const numbers = Array.from({ length: 36 }, (_, index) => index + 1)
  t.strictSame(rows.map(({ number }) => number), [...numbers, ...numbers])
  for (const { test } of rows) {
    const [, file = '', name = ''] = /^`(test\/.*\.test\.ts)`: (.*)$/.exec(test) ?? []
    t.ok(existsSync(join(ROOT, file)) && readFileSync(join(ROOT, file), 'utf8').includes(`test('${name}'`), test)
  }
})
