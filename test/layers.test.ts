import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'

const PLUGIN = fileURLToPath(new URL('../plugin', import.meta.url))
const TEST = fileURLToPath(new URL('.', import.meta.url))

/** The layers of the core, from the bottom up. A file imports from its own folder and from those before it. */
const LAYERS = ['base', 'wire', 'channels', 'stream', 'runs', 'reply']
/** Files above all folders, from the bottom up. */
const TOP = ['hub-options.ts', 'hub.ts', 'shutdown.ts', 'index.ts']
/** What each sub-path export may import besides its own folder. The core imports none of them. */
const SUB_PATHS: Record<string, readonly string[]> = {
  client: ['base/option-checks.ts', 'wire'],
  llm: LAYERS,
  redis: LAYERS,
  testing: LAYERS
}

interface Import { file: string, target: string }

function files (folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts')).map(name => name.split(sep).join('/'))
}

/** Every import and re-export within `plugin/`, type-only ones included. */
function imports (): Import[] {
  return files(PLUGIN).flatMap(file => ts.preProcessFile(readFileSync(join(PLUGIN, file), 'utf8')).importedFiles
    .filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => ({ file, target: relative(PLUGIN, join(PLUGIN, dirname(file), fileName)).split(sep).join('/') })))
}

/** How high in the core a file stands; undefined for a file of a sub-path. */
function floor (file: string): number | undefined {
  const index = file.includes('/') ? LAYERS.indexOf(file.split('/')[0]!) : LAYERS.length + TOP.indexOf(file)
  return index === -1 ? undefined : index
}

t.test('every folder of the package is a layer or a sub-path, and every file at the top is known', async t => {
  const names = readdirSync(PLUGIN, { withFileTypes: true })
  t.strictSame(names.filter(name => name.isDirectory()).map(({ name }) => name).sort(), [...LAYERS, ...Object.keys(SUB_PATHS)].sort())
  t.strictSame(names.filter(name => name.isFile()).map(({ name }) => name).sort(), [...TOP].sort())
})

t.test('a core file imports only from its own folder and from layers below', async t => {
  const core = imports().filter(({ file }) => floor(file) !== undefined)
  t.ok(core.length > 100, `${core.length} imports`)
  const upward = core.filter(({ file, target }) => !(floor(target)! <= floor(file)!))
  t.strictSame(upward, [])
})

t.test('no file uses the global setImmediate, which tests may fake', async t => {
  const using = files(PLUGIN).filter(file => {
    const text = readFileSync(join(PLUGIN, file), 'utf8')
    return /^[^*/]*\bsetImmediate\(/m.test(text) && !/^import \{ .*\bsetImmediate\b.* \} from 'node:timers(\/promises)?'$/m.test(text)
  })
  t.strictSame(using, [])
})

t.test('a sub-path imports only what its table entry allows', async t => {
  for (const [name, allowed] of Object.entries(SUB_PATHS)) {
    const own = imports().filter(({ file }) => file.startsWith(`${name}/`))
    t.ok(own.length > 0, name)
    t.strictSame(own.filter(({ target }) => ![name, ...allowed].some(path => target === path || target.startsWith(`${path}/`))), [], name)
  }
})

t.test('a file has at most 300 lines', async t => {
  for (const file of files(PLUGIN)) {
    const lines = readFileSync(join(PLUGIN, file), 'utf8').split('\n').length - 1
    t.ok(lines <= 300, `${file}: ${lines}`)
  }
})

t.test('a function has at most 40 lines', async t => {
  const long: string[] = []
  for (const file of files(PLUGIN)) {
    const source = ts.createSourceFile(file, readFileSync(join(PLUGIN, file), 'utf8'), ts.ScriptTarget.Latest, true)
    const visit = (node: ts.Node): void => {
      if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
        const [from, to] = [node.getStart(), node.end].map(position => source.getLineAndCharacterOfPosition(position).line)
        if (to! - from! + 1 > 40) long.push(`${file}:${from! + 1}`)
      }
      ts.forEachChild(node, visit)
    }
    visit(source)
  }
  t.strictSame(long, [])
})

t.test('every file has a test of the same name', async t => {
  const tests = new Set(files(TEST))
  /** Files of types alone have nothing to run. */
  const isTypeOnly = (file: string): boolean => {
    const { outputText } = ts.transpileModule(readFileSync(join(PLUGIN, file), 'utf8'), { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.Latest, verbatimModuleSyntax: true, removeComments: true } })
    return outputText.trim() === '' || outputText.trim() === 'export {};'
  }
  const untested = files(PLUGIN).filter(file => !tests.has(file.replace(/\.ts$/, '.test.ts')) && !isTypeOnly(file))
  t.strictSame(untested, [])
})
