import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'
import type { SseEmitter } from 'fastify-sse-emitter'
import { build } from './fixtures/app.ts'

const PLUGIN = fileURLToPath(new URL('../plugin', import.meta.url))

/** The names of an interface's members, as its source declares them. */
function membersOf (file: string, name: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(join(PLUGIN, file), 'utf8'), ts.ScriptTarget.Latest)
  const declaration = source.statements.find(node => ts.isInterfaceDeclaration(node) && node.name.text === name) as ts.InterfaceDeclaration
  return [...new Set(declaration.members.map(member => (member.name as ts.Identifier).text))].sort()
}

/** Every name that an object answers to, own and inherited, symbols included, besides those of every object. */
function namesOf (object: object): string[] {
  const names = new Set<string>()
  for (let holder = object; holder !== Object.prototype; holder = Object.getPrototypeOf(holder)) {
    for (const key of Reflect.ownKeys(holder)) names.add(String(key))
  }
  names.delete('constructor')
  return [...names].sort()
}

t.test('what applications receive has the documented members and no others', async t => {
  const { app } = await build(t)
  let emitter: SseEmitter
  app.get('/', async (_request, reply) => {
    emitter = reply.sse()
    emitter.complete()
    return reply
  })
  await app.inject('/')
  const { run } = await app.sse.runs.start('x', () => [])
  const rows: Array<[object, string, string]> = [
    [emitter!, 'stream/sse-emitter.ts', 'SseEmitter'],
    [app.sse, 'hub.ts', 'SseHub'],
    [app.sse.channel('a'), 'channels/channel.ts', 'SseChannel'],
    [app.sse.runs, 'runs/runs.ts', 'SseRuns'],
    [run, 'runs/run.ts', 'SseRun']
  ]
  for (const [object, file, name] of rows) t.strictSame(namesOf(object), membersOf(file, name), name)
})

t.test('a snapshot of a stream has the documented members and no others', async t => {
  const { app } = await build(t)
  let names: string[] = []
  app.get('/', async (_request, reply) => {
    reply.sse().complete()
    names = namesOf(app.sse.list()[0]!)
    return reply
  })
  await app.inject('/')
  t.strictSame(names, membersOf('stream/sse-emitter.ts', 'SseStreamInfo'))
})
