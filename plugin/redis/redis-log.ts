import { createHash, randomBytes } from 'node:crypto'
import type { SsePage, SsePublished, SsePublishing } from '../channels/broker.ts'
import { SseEntry, type SsePayload } from '../wire/entry.ts'
import { Deferred } from '../base/deferred.ts'
import { SSE_ERR_IDEMPOTENCY_KEY } from '../base/errors.ts'
import { compareIds, epochOf, idBeforeAll, laterId } from '../wire/event-id.ts'
import { SSE_ERR_BROKER_UNAVAILABLE, SSE_ERR_BROKER_UNKNOWN } from './errors.ts'
import { nameOf, type Keys } from './keys.ts'
import { isUnknownScript, type Line } from './reconnecting-client.ts'
import type { Scripts } from './lua-scripts.ts'

/** Milliseconds for which a publication can be repeated by its idempotency key. */
const REPEATABLE = 10 * 60 * 1_000
/** Milliseconds for which a channel is remembered whose history has expired, so that who comes back is told that nothing was missed. */
const LINGER = 10 * 60 * 1_000
/** Bytes after which a page is large enough, whatever was asked for. */
const PAGE_BYTES = 4 * 1024 * 1024

/** How far the log goes. */
export interface Extent {
  /** The last id that was given, in whatever channel. */
  readonly clock: string
  /** Up to here, entries of channels that are not known any more may have been. */
  readonly forgotten: string
  /** The last id of each channel that was asked for; undefined of one that is not known. */
  readonly lasts: ReadonlyArray<string | undefined>
}

/** The log in Redis, as this node knows it. */
export class RedisLog {
  readonly #keys: Keys
  readonly #line: Line
  readonly #scripts: Scripts
  /** Where this node hears itself. */
  readonly #node: string
  readonly #onEpoch: () => void
  #epoch = ''
  #term = ''
  /** The last id that this node has heard of. */
  #latest = ''
  /** Settled when this node and Redis agree about the epoch again; undefined while they do. */
  #agreeing: Promise<unknown> | undefined
  /** Publications that were called for, and those of them that were sent and not answered. */
  #called = 0
  #sent = 0
  /** Publications that are to be sent when all that were sent are answered; undefined where none has to wait for that. */
  #held: Held[] | undefined
  #settling = false

  /** @param onEpoch called when it is another log from here on */
  constructor (keys: Keys, line: Line, scripts: Scripts, node: string, onEpoch: () => void) {
    this.#keys = keys
    this.#line = line
    this.#scripts = scripts
    this.#node = node
    this.#onEpoch = onEpoch
  }

  /** The node has heard of an id of the epoch. */
  saw (id: string): void {
    if (epochOf(id) === this.#epoch) this.#latest = laterId(this.#latest, id)
  }

  /**
   * Finds out how far the log goes, and whether it is still the same.
   *
   * @param mark what comes to the node itself, `<mark> <epoch> <last id>` in lines, after all that was published before
   * @throws as `Line.do`; where Redis refuses it, the connection is given up, because nothing goes without it
   */
  async sync (mark: string, channels: string[]): Promise<Extent> {
    const known = this.#epoch === '' ? '0-0' : timeOf(this.#latest)
    const reply = await this.#line.run(this.#scripts.sync, this.#keys.log, newName(), this.#node, mark, this.#epoch, this.#term, known, ...channels.map(nameOf)).catch(error => {
      if (!isOutage(error)) this.#line.lose(error)
      throw error
    })
    const [epoch, term, last, forgotten, lasts] = reply as [string, string, string, string, string[]]
    this.#term = term
    const clock = `${epoch}.${last}`
    if (epoch === this.#epoch) {
      this.saw(clock)
    } else {
      this.#epoch = epoch
      this.#latest = clock
      // What was sent for the epoch before comes back.
      if (this.#sent > 0) this.#held ??= []
      this.#onEpoch()
    }
    return { clock, forgotten: `${epoch}.${forgotten}`, lasts: lasts.map(last => last === '' ? undefined : `${epoch}.${last}`) }
  }

  /** @throws what `SseBroker.publish` does */
  async publish (channel: string, text: string, payload: SsePayload, { history: { count, age, bytes }, idempotencyKey }: SsePublishing): Promise<SsePublished> {
    const { log } = this.#keys
    const [once, digest] = idempotencyKey === undefined ? [log, ''] : [this.#keys.once(channel, idempotencyKey), createHash('sha256').update(text).digest('base64')]
    const keys = [log, this.#keys.history(channel), once]
    const size = new SseEntry('', payload).bytes
    const rest = [nameOf(channel), this.#keys.live(channel), text, ...[size, count, age, bytes, LINGER].map(String), digest, `${REPEATABLE}`]
    const number = this.#called++
    try {
      for (;;) {
        if (this.#held !== undefined) await this.#hold(number)
        this.#line.assertUp()
        const epoch = this.#epoch
        const reply = await this.#send([...keys, epoch, timeOf(this.#latest), ...rest])
        if (reply === 'taken') throw new SSE_ERR_IDEMPOTENCY_KEY()
        if (reply !== null) {
          const [time, repeated] = reply as [string, number]
          const id = `${epoch}.${time}`
          this.saw(id)
          return { id, repeated: repeated === 1 }
        }
      }
    } catch (error) {
      throw refusal(error)
    }
  }

  /** @returns what Redis has answered; null where it has to be sent again, and then others have to wait */
  async #send (args: string[]): Promise<unknown> {
    this.#sent++
    let reply: unknown
    const { sha, keys } = this.#scripts.publish
    try {
      reply = await this.#line.call(['EVALSHA', sha, `${keys}`, ...args])
    } catch (error) {
      if (!isUnknownScript(error)) throw error
      reply = null
    } finally {
      this.#sent--
      if (reply === null) this.#held ??= []
      this.#settle()
    }
    return reply
  }

  /**
   * Waits until it can be sent: what has to be sent again goes before all that was called for after it, which must not
   * overtake it meanwhile.
   */
  async #hold (number: number): Promise<void> {
    const turn = new Deferred<void>()
    this.#held!.push({ number, turn })
    await turn.promise
  }

  /** Has those go on that are held, when all that were sent are answered and this node and Redis agree. */
  async #settle (): Promise<void> {
    if (this.#held === undefined || this.#sent > 0 || this.#settling) return
    this.#settling = true
    const refused = await this.#agree().catch(error => error)
    const held = this.#held.sort((a, b) => a.number - b.number)
    this.#held = undefined
    this.#settling = false
    for (const { turn } of held) {
      if (refused === undefined) turn.resolve()
      else turn.reject(refused)
    }
  }

  /** Waits through a failure. @throws SSE_ERR_BROKER_UNAVAILABLE if Redis refuses it, SSE_ERR_BROKER_CLOSED */
  async read (channel: string, after: string | undefined, count: number): Promise<SsePage> {
    const asked = after === undefined ? ['', ''] : split(after)
    for (;;) {
      await this.#line.up
      try {
        const epoch = this.#epoch
        const reply = await this.#line.run(this.#scripts.read, this.#keys.log, this.#keys.history(channel), epoch, timeOf(this.#latest), nameOf(channel), ...asked, `${count}`, `${PAGE_BYTES}`)
        if (reply !== null) return this.#page(epoch, after, reply as Reply)
        await this.#agree()
      } catch (error) {
        if (!isOutage(error)) throw refusal(error)
      }
    }
  }

  #page (epoch: string, after: string | undefined, [last, known, gone, found, more]: Reply): SsePage {
    const clock = `${epoch}.${last}`
    this.saw(clock)
    const start = after === undefined || known === 0 ? idBeforeAll(epoch) : after
    const lost = `${epoch}.${gone}`
    return {
      entries: found.map(([time, text]) => parseEntry(`${epoch}.${time}`, text)),
      more: more === 1,
      known: known === 1,
      lost: compareIds(lost, start) > 0 ? lost : undefined,
      clock
    }
  }

  /**
   * Asks Redis for the epoch: once, however many have found that it is another. Who has emptied Redis may have removed
   * the scripts as well.
   *
   * @throws SSE_ERR_BROKER_UNAVAILABLE
   */
  async #agree (): Promise<void> {
    this.#agreeing ??= Promise.all([this.#line.call(['SCRIPT', 'LOAD', this.#scripts.publish.text]), this.sync('', [])]).catch(error => {
      throw new SSE_ERR_BROKER_UNAVAILABLE(error.message, { cause: error })
    }).finally(() => { this.#agreeing = undefined })
    await this.#agreeing
  }
}

/** A publication that waits for its turn. */
interface Held {
  readonly number: number
  readonly turn: Deferred<void>
}

type Reply = [clock: string, known: number, gone: string, entries: Array<[string, string]>, more: number]

export function stringifyPayload ({ data, event, retry, comment, key }: SsePayload): string {
  return JSON.stringify([data, event, retry, comment, key])
}

export function parseEntry (id: string, text: string): SseEntry {
  const [data, event, retry, comment, key] = (JSON.parse(text) as unknown[]).map(value => value ?? undefined)
  return new SseEntry(id, { data, event, retry, comment, key } as SsePayload)
}

/** Whether it may go well when the connection is up again. */
export function isOutage (error: unknown): boolean {
  return error instanceof SSE_ERR_BROKER_UNAVAILABLE || error instanceof SSE_ERR_BROKER_UNKNOWN
}

/** What Redis has refused, as an error of ours; others as they are. */
export function refusal (error: unknown): unknown {
  const { code, message } = error as { code?: unknown, message: string }
  return code === undefined ? new SSE_ERR_BROKER_UNAVAILABLE(message, { cause: error }) : error
}

function newName (): string {
  return randomBytes(8).readBigUInt64BE().toString(36)
}

/** An id without its epoch. */
function timeOf (id: string): string {
  return id.slice(id.indexOf('.') + 1)
}

/** The epoch and the rest of an id; for what is none, one that is in no log. */
function split (id: string): [string, string] {
  const epoch = epochOf(id)
  return epoch === undefined ? ['-', '0-0'] : [epoch, timeOf(id)]
}
