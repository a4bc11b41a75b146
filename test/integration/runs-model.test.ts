import assert from 'node:assert/strict'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { memoryBroker, type SseBroker, type SseRun } from 'fastify-sse-emitter'
import { build, sleep, type TestApp } from '../fixtures/app.ts'
import { eventually } from '../fixtures/eventually.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { openBroker } from '../fixtures/redis-broker.ts'
import { RedisServer } from '../fixtures/redis-server.ts'
import { manualProducer, type ManualProducer } from '../fixtures/runs.ts'

/** Milliseconds for which runs are kept. */
const RETENTION = 300
const ENDS = ['done', 'failed', 'aborted']
const seed = Date.now()
t.comment(`seed ${seed}`)

interface Process extends TestApp { url: URL }

/** Two processes on one broker, what they produce, and their viewers. */
interface Real {
  /** undefined for a process that was stopped. */
  readonly processes: Array<Process | undefined>
  readonly producers: Map<string, ManualProducer[]>
  readonly viewers: Array<Promise<void>>
  /** The generation of each id that may be started next: an id can't be used again for ten minutes. */
  readonly generations: number[]
  /** The ids of the terminal events that viewers have received, by run. */
  readonly ends: Map<string, Set<string>>
  /** Whether the broker has lost its log: then a run may have had another producer and another end. */
  isFlushed: boolean
  readonly start: () => Promise<Process>
  readonly cut: () => Promise<void>
  readonly flush: () => Promise<void>
}

/** Reads a run to its end, as a client does that reconnects whenever its stream ends. */
async function follow ({ url, app }: Process, id: string, onEnd: (id: string) => void): Promise<void> {
  const run: SseRun | undefined = await app.sse.runs.get(id).catch(() => undefined)
  if (run === undefined) return
  let lastEventId: string | undefined
  for (;;) {
    const response = await fetch(new URL(`/${id}`, url), lastEventId === undefined ? {} : { headers: { 'last-event-id': lastEventId } }).catch(() => undefined)
    // The process was stopped, or the run is over or gone.
    if (response?.status !== 200) return
    const text = await response.text().catch(() => '')
    const ends = [...text.matchAll(/^event:(\w+)$/gm)].filter(([, type]) => ENDS.includes(type!))
    assert.ok(ends.length <= 1, `${ends.length} terminal events`)
    lastEventId = [...text.matchAll(/^id:(\S+)$/gm)].at(-1)?.[1] ?? lastEventId
    if (ends.length === 1) return onEnd(lastEventId!)
    if (text.includes('event:sse-error')) return
  }
}

const idOf = ({ generations }: Real, index: number): string => `${index}-${generations[index]}`

const actions: Record<string, (real: Real, process: number, index: number) => Promise<unknown>> = {
  start: async (real, process, index) => {
    const id = idOf(real, index)
    const producers = real.producers.get(id) ?? []
    real.producers.set(id, producers)
    await real.processes[process]?.app.sse.runs.start(id, context => {
      producers.push(manualProducer())
      return producers.at(-1)!.produce(context)
    }, { retention: RETENTION, timeout: 20_000 })
    assert.ok(real.isFlushed || producers.length <= 1, 'one producer')
  },
  startAnew: async (real, process, index) => {
    real.generations[index]!++
    await actions.start!(real, process, index)
  },
  yield: async (real, _process, index) => { real.producers.get(idOf(real, index))?.forEach(producer => producer.yield('x')) },
  return: async (real, _process, index) => { real.producers.get(idOf(real, index))?.forEach(producer => producer.return()) },
  cancel: async (real, process, index) => await real.processes[process]?.app.sse.runs.cancel(idOf(real, index)),
  watch: async (real, process, index) => {
    const running = real.processes[process]
    const id = idOf(real, index)
    const ends = real.ends.get(id) ?? new Set()
    real.ends.set(id, ends)
    if (running !== undefined) real.viewers.push(follow(running, id, end => ends.add(end)))
  },
  stop: async (real, process) => {
    const running = real.processes[process]
    real.processes[process] = undefined
    await running?.app.close()
  },
  restart: async (real, process) => { real.processes[process] ??= await real.start() },
  cut: async real => await real.cut(),
  flush: async real => {
    real.isFlushed = true
    await real.flush()
  },
  wait: async () => await sleep(50)
}

class Command implements fc.AsyncCommand<object, Real> {
  readonly #name: string
  readonly #process: number
  readonly #index: number

  constructor (name: string, process: number, index: number) {
    this.#name = name
    this.#process = process
    this.#index = index
  }

  check (): boolean {
    return true
  }

  async run (_model: object, real: Real): Promise<void> {
    const refusals = ['SSE_ERR_RUN_FORGOTTEN', 'SSE_ERR_BROKER_UNAVAILABLE', 'SSE_ERR_BROKER_UNKNOWN']
    await actions[this.#name]!(real, this.#process, this.#index).catch(error => { if (!refusals.includes(error.code)) throw error })
  }

  toString (): string {
    return `${this.#name}(${this.#process}, ${this.#index})`
  }
}

/** After everything was asked to end: every viewer has its end, and no slot is kept. */
async function check ({ processes, producers, viewers, ends, isFlushed }: Real): Promise<void> {
  for (const all of producers.values()) for (const producer of all) producer.return()
  const waiting = new Promise((_resolve, reject) => { setTimeout(reject, 25_000, new Error('a viewer waits for ever')).unref() })
  await Promise.race([Promise.all(viewers), waiting])
  for (const [id, seen] of ends) assert.ok(isFlushed || seen.size <= 1, `${id} has several terminal events`)
  await eventually(() => { for (const process of processes) assert.equal(process?.app.sse.runs.size ?? 0, 0) })
}

async function testModel (t: Test, createBroker: () => SseBroker, { cut, flush }: Pick<Real, 'cut' | 'flush'>, numRuns: number): Promise<void> {
  const names = Object.keys(actions)
  const commands = fc.commands(names.map(name => fc.tuple(fc.nat(1), fc.nat(1)).map(([process, index]) => new Command(name, process, index))), { maxCommands: 25 })
  let cases = 0
  await fc.assert(fc.asyncProperty(commands, async commands => {
    const start = async (): Promise<Process> => {
      const built = await build(t, { broker: createBroker(), shutdownGrace: 1_000 })
      built.app.get<{ Params: { id: string } }>('/:id', async ({ params }, reply) => {
        const run = await built.app.sse.runs.get(params.id)
        if (run === undefined) return await reply.code(404).send()
        run.watch(reply.sse()).catch(() => {})
        return reply
      })
      return { ...built, url: await built.listen() }
    }
    const real: Real = {
      processes: await Promise.all([start(), start()]),
      producers: new Map(),
      viewers: [],
      ends: new Map(),
      isFlushed: false,
      generations: [++cases * 1_000, cases * 1_000],
      start,
      cut,
      flush
    }
    try {
      await fc.asyncModelRun(() => ({ model: {}, real }), commands)
      await check(real)
    } finally {
      await Promise.all(real.processes.map(async process => await process?.app.close()))
    }
  }), { numRuns, seed, endOnFailure: true })
}

t.test('any sequence of actions on the memory broker leaves no viewer waiting and no slot taken', async t => {
  const broker = memoryBroker()
  t.teardown(() => broker.close())
  // A process that closes must not close the broker of the other one.
  const shared: SseBroker = {
    shared: true,
    publish: (...args) => broker.publish(...args),
    subscribe: (...args) => broker.subscribe(...args),
    replay: (...args) => broker.replay(...args),
    close: async () => {}
  }
  await testModel(t, () => shared, { cut: async () => {}, flush: async () => {} }, 10)
})

suiteWith(t, 'redis-server', 'any sequence of actions on Redis leaves no viewer waiting and no slot taken', async (t, program) => {
  const server = await RedisServer.start(t, program)
  const cut = async (): Promise<void> => {
    for (const type of ['normal', 'pubsub']) await server.command('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes')
  }
  await testModel(t, () => openBroker(t, server), { cut, flush: async () => { await server.command('FLUSHALL') } }, 8)
})
