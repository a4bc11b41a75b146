import { EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import { runInThisContext } from 'node:vm'
import t from 'tap'
import ts from 'typescript'
import { Deferred } from '../../plugin/base/deferred.ts'
import { resolvePluginOptions } from '../../plugin/hub-options.ts'
import { CONFIRMATION_DELAY, HEARTBEAT_INTERVAL, MAX_SILENCE } from '../../plugin/runs/producer-liveness.ts'
import { build } from '../fixtures/app.ts'
import { blockOf } from '../fixtures/proxies.ts'
import { until } from '../fixtures/until.ts'

/** Runs a TypeScript example of a document, with its imports and the names of its context as parameters. */
async function runExample (file: string, text: string, names: Record<string, unknown>): Promise<void> {
  const code = blockOf(file, 'ts', text).replaceAll(/^import .*$/gm, '')
  const run = runInThisContext(`async (${Object.keys(names).join()}) => {${ts.transpile(code, { target: ts.ScriptTarget.ES2022 })}}`)
  await run(...Object.values(names))
}

/** A process that can be sent a signal, and a clock that the test advances. */
class Supervised extends EventEmitter {
  readonly exited = new Deferred<void>()
  /** Milliseconds of each pause. */
  readonly pauses: number[] = []
  #wake = new Deferred<void>()

  readonly exit = (): void => { this.exited.resolve() }

  readonly sleep = async (ms: number): Promise<void> => {
    this.pauses.push(ms)
    this.#wake = new Deferred()
    await this.#wake.promise
  }

  /** Ends the pause, and waits for the next one or the exit. */
  async wake (): Promise<void> {
    const { length } = this.pauses
    this.#wake.resolve()
    let isOver = false
    this.exited.promise.then(() => { isOver = true })
    await until(() => isOver || this.pauses.length > length, 'the process sleeps again or exits')
  }
}

t.test('the recipe for draining reports that the process closes, waits for runs, and closes', async t => {
  const { app } = await build(t)
  const supervised = new Supervised()
  await runExample('docs/deploying.md', 'isDraining', { app, process: supervised, sleep: supervised.sleep })
  const statuses = async (): Promise<number[]> => [(await app.inject('/healthz')).statusCode, (await app.inject('/readyz')).statusCode]
  t.strictSame(await statuses(), [200, 200])
  const end = new Deferred<void>()
  await app.sse.runs.start('a', async function * () {
    yield 'x'
    await end.promise
  })
  supervised.emit('SIGTERM')
  t.strictSame(await statuses(), [200, 503])
  await supervised.wake()
  await supervised.wake()
  t.strictSame(await statuses(), [200, 503], 'while a run continues, so does the server')
  end.resolve()
  await until(() => app.sse.runs.list()[0]!.state === 'done', 'the run ends')
  await supervised.wake()
  await supervised.exited.promise
  t.strictSame(app.sse.runs.list().map(({ state }) => state), ['done'])
})

t.test('the recipe for draining closes although a run continues, before Kubernetes would kill the process', async t => {
  const { app } = await build(t)
  const supervised = new Supervised()
  await runExample('docs/deploying.md', 'isDraining', { app, process: supervised, sleep: supervised.sleep })
  await app.sse.runs.start('a', async function * ({ signal }) {
    yield 'x'
    await new Promise(resolve => { signal.addEventListener('abort', resolve) })
  })
  supervised.emit('SIGTERM')
  while (app.sse.runs.list()[0]!.state === 'running') await supervised.wake()
  await supervised.exited.promise
  t.equal(app.sse.runs.list()[0]!.state, 'failed')

  const kubernetes = blockOf('docs/deploying.md', 'yaml')
  const [, limit] = /terminationGracePeriodSeconds: (\d+)/.exec(kubernetes)!
  const [, preStop] = /\[sleep, '(\d+)'\]/.exec(kubernetes)!
  const seconds = Number(preStop) + (supervised.pauses.reduce((sum, ms) => sum + ms, 0) + resolvePluginOptions({}).shutdownGrace) / 1_000
  t.ok(seconds < Number(limit), `${seconds} s`)
  for (const path of ['/healthz', '/readyz']) t.ok(kubernetes.includes(`path: ${path},`) && app.hasRoute({ method: 'GET', url: path }), path)
})

t.test('the recipe for readiness in docs/redis.md keeps requests from a process until it has been connected to Redis', async t => {
  const { app } = await build(t)
  const broker = { ready: false }
  // The plugin is registered already.
  await runExample('docs/redis.md', 'hasBeenReady', { app: { get: app.get.bind(app), register: async () => {} }, sse: undefined, redisBroker: () => broker })
  const status = async (): Promise<number> => (await app.inject('/readyz')).statusCode
  t.equal(await status(), 503)
  broker.ready = true
  t.equal(await status(), 200)
  broker.ready = false
  t.equal(await status(), 200)
})

t.test('docs/runs.md states the times after which a silent producer is lost', async t => {
  const [, pauses] = readFileSync(new URL('../../docs/runs.md', import.meta.url), 'utf8').replaceAll(/\s+/g, ' ').split('## Pauses ') as [string, string]
  const [interval, silence, delay] = [HEARTBEAT_INTERVAL, MAX_SILENCE, CONFIRMATION_DELAY].map(ms => ms / 1_000) as [number, number, number]
  const lost = silence + delay
  for (const text of [`every ${interval} s`, `${silence} s without`, `another ${delay} s`, `: ${lost} s after`, `| less than ${lost - interval} s |`, `| ${lost - interval} to ${lost} s |`, `| more than ${lost} s |`]) {
    t.ok(pauses.includes(text), text)
  }
})
