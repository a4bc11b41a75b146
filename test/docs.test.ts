import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'
import * as errors from '../plugin/base/errors.ts'
import { resolvePluginOptions } from '../plugin/hub-options.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')
const DOCS = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...readdirSync(join(ROOT, 'docs')).filter(name => name.endsWith('.md')).map(name => `docs/${name}`)]

/** What the examples of the documents speak of without saying where it is from. */
const AROUND = `
import type { EventEmitter } from 'node:events'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { SseChannel, SseEmitter } from 'fastify-sse-emitter'
import sse from 'fastify-sse-emitter'
declare const app: FastifyInstance
declare const request: FastifyRequest
declare const reply: FastifyReply
declare const emitter: SseEmitter
declare const prices: SseChannel
// In a page.
declare class EventSource { constructor (url: string); addEventListener (type: string, listener: () => void): void }
declare function reload (): void
declare const market: EventEmitter
declare const job: { done: boolean, run: (emitter: SseEmitter) => void }
declare function writeReport (signal: AbortSignal): AsyncIterable<string>
declare function talk (name: string, emitter: SseEmitter): void
`

interface Block { name: string, language: string, code: string }

function blocks (): Block[] {
  return DOCS.flatMap(file => {
    const text = readFileSync(join(ROOT, file), 'utf8')
    return Array.from(text.matchAll(/^```(\w*)\n([^]*?)^```$/gm), ([, language = '', code = ''], index) => ({ name: `${file}, block ${index + 1}`, language, code }))
  })
}

t.test('every example in TypeScript and JavaScript passes the compiler', async t => {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT)
  const files = new Map<string, { name: string, text: string }>()
  for (const [index, { name, language, code }] of blocks().entries()) {
    if (language !== 'ts' && language !== 'js') continue
    // Imports first, then the rest in a function: an example may declare what is there around it, and import it again.
    const imports = code.match(/^import .*$/gm)?.join('\n') ?? ''
    const rest = code.replaceAll(/^import .*$/gm, '')
    // An example that is whole needs nothing around it.
    const text = language === 'js' ? code : `${AROUND}\n${imports}\nexport async function example () {\n${rest}\n}\nexport const used = [app, request, reply, emitter, prices, market, job, writeReport, talk, sse, EventSource, reload]\n`
    files.set(join(ROOT, `test/docs-${index}.ts`), { name, text })
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

t.test('every other example is one that some test runs', async t => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  for (const { name, language, code } of blocks()) {
    if (language === 'sh') {
      for (const [, script] of code.matchAll(/npm (?:run )?([\w:]+)/g)) {
        t.ok(['ci', 'install', 'publish'].includes(script!) || script! in scripts, `${name}: npm ${script}`)
      }
    } else {
      // Plain text is what the first example shows, nginx has a test of its own, Java is the other world, and pages are tested in a browser.
      t.ok(['ts', 'js', '', 'nginx', 'java', 'html'].includes(language), `${name} is ${language}`)
    }
  }
})

t.test('the README names every option with its default, and every error', async t => {
  const rows = new Map(Array.from(README.matchAll(/^\| `(\w+)` \| (?:`(.*?)`)? ?\|/gm), ([, name, value]) => [name!, value]))
  const { serializer, ...settings } = resolvePluginOptions({})
  for (const [name, value] of Object.entries({ ...settings, serializer: 'JSON.stringify' })) {
    t.ok(rows.has(name), name)
    const shown = typeof value === 'object' ? '{}' : name === 'serializer' ? value : typeof value === 'string' ? `'${value}'` : value === undefined ? undefined : String(value)
    t.equal(rows.get(name), shown, `the default of ${name}`)
  }
  for (const code of Object.keys(errors)) t.match(README, `| \`${code}\` |`)
})

t.test('no link between the documents leads nowhere', async t => {
  for (const file of DOCS) {
    const text = readFileSync(join(ROOT, file), 'utf8')
    for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#]+)/g)) t.doesNotThrow(() => readFileSync(join(ROOT, file, '..', target!)), `${file}: ${target}`)
  }
})
