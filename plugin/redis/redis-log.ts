import { hash } from 'node:crypto'
import { SSE_ERR_IDEMPOTENCY_KEY, SSE_ERR_PRECONDITION } from '../base/errors.ts'
import type { SsePage, SsePublished, SsePublishOptions } from '../channels/broker.ts'
import { IDEMPOTENCY_KEY_RETENTION } from '../channels/idempotency-keys.ts'
import { EMPTY_CHANNEL_RETENTION } from '../channels/memory-log.ts'
import { parsePayload } from '../channels/payload-text.ts'
import { sizeOf, SseEntry, type SsePayload } from '../wire/entry.ts'
import { compareIds, epochOf, idBeforeAll, laterId, newEpoch } from '../wire/event-id.ts'
import { isOutage, reasonOf, toBrokerError } from './error-classification.ts'
import { SSE_ERR_BROKER_UNAVAILABLE } from './errors.ts'
import { escapeName, type RedisKeys } from './keys.ts'
import type { LuaScripts } from './lua-scripts.ts'
import { PublishOrder } from './publish-order.ts'
import type { ReconnectingClient } from './reconnecting-client.ts'

/** The approximate maximum size of a page in bytes. It may contain fewer entries than requested. */
const PAGE_BYTES = 4 * 1024 * 1024

/** What `sync` has read. */
export interface LogState {
  /** The last id of the log, in any channel. */
  readonly lastId: string
  /** No entry of a channel that Redis no longer remembers has a later id. */
  readonly forgotten: string
  /** The last id of each requested channel; undefined for an unknown one. */
  readonly lastIds: ReadonlyArray<string | undefined>
}

type ReadReply = [lastId: string, known: number, lost: string, entries: Array<[id: string, payload: string]>, more: number, damaged: number]

/** Publishes to the log in Redis, reads it, and notices when another log takes its place. */
export class RedisLog {
  readonly #keys: RedisKeys
  readonly #client: ReconnectingClient
  readonly #scripts: LuaScripts
  readonly #markerChannel: string
  readonly #onNewEpoch: () => void
  readonly #order = new PublishOrder(() => this.#recover())
  #epoch = ''
  #term = ''
  /** The last id that this broker knows of. */
  #lastId = ''
  /** The call of `#recover` in progress, which concurrent calls share. */
  #recovering: Promise<unknown> | undefined

  /**
   * @param markerChannel the pub/sub channel on which this broker receives its markers, which are messages to itself
   * @param onNewEpoch called when the epoch changes, and when it is first known
   */
  constructor (keys: RedisKeys, client: ReconnectingClient, scripts: LuaScripts, markerChannel: string, onNewEpoch: () => void) {
    this.#keys = keys
    this.#client = client
    this.#scripts = scripts
    this.#markerChannel = markerChannel
    this.#onNewEpoch = onNewEpoch
  }

  /** Records that the log has reached this id. Ids of other epochs are ignored. */
  observe (id: string): void {
    if (epochOf(id) === this.#epoch) this.#lastId = laterId(this.#lastId, id)
  }

  /**
   * Asks Redis for the end of the log and whether it is still the same log, begins one if there is none, and publishes a marker
   * to this broker.
   *
   * @param marker the name of the marker, which this broker receives after everything published earlier; empty for none
   * @throws what `ReconnectingClient.callScript` throws; if Redis replies with an error, the
   *   connection is closed, because the broker needs a successful sync
   */
  async sync (marker: string, channels: string[]): Promise<LogState> {
    const known = this.#epoch === '' ? '0-0' : withoutEpoch(this.#lastId)
    const args = [this.#keys.log, newEpoch(), this.#markerChannel, marker, this.#epoch, this.#term, known, ...channels.map(escapeName)]
    const reply = await this.#client.callScript(this.#scripts.sync, ...args).catch(error => {
      if (!isOutage(error)) this.#client.disconnect(error)
      throw error
    })
    const [epoch, term, last, forgotten, lasts] = reply as [string, string, string, string, string[]]
    this.#term = term
    const lastId = `${epoch}.${last}`
    if (epoch === this.#epoch) this.observe(lastId)
    else this.#startEpoch(epoch, lastId)
    return { lastId, forgotten: `${epoch}.${forgotten}`, lastIds: lasts.map(last => last === '' ? undefined : `${epoch}.${last}`) }
  }

  #startEpoch (epoch: string, lastId: string): void {
    this.#epoch = epoch
    this.#lastId = lastId
    // Redis doesn't accept publications that were sent for the previous epoch.
    this.#order.holdBehindInFlight()
    this.#onNewEpoch()
  }

  /** @throws what `SseBroker.publish` throws */
  async publish (channel: string, text: string, payload: SsePayload, { history: { count, age, bytes }, idempotencyKey, expectedLastId }: SsePublishOptions): Promise<SsePublished> {
    const { log } = this.#keys
    const [publicationKey, digest] = idempotencyKey === undefined ? [log, ''] : [this.#keys.publication(channel, idempotencyKey), hash('sha256', text, 'base64')]
    const keys = [log, this.#keys.history(channel), publicationKey]
    const size = sizeOf(payload)
    const args = [escapeName(channel), this.#keys.pubsubChannel(channel), text, ...[size, count, age, bytes, EMPTY_CHANNEL_RETENTION].map(String), digest, `${IDEMPOTENCY_KEY_RETENTION}`, expectedLastId === undefined ? '' : withoutEpoch(expectedLastId)]
    try {
      return await this.#order.run(() => this.#sendPublication(keys, args))
    } catch (error) {
      throw toBrokerError(error)
    }
  }

  /** @returns null if the publication has to be sent again */
  async #sendPublication (keys: string[], args: string[]): Promise<SsePublished | null> {
    this.#client.assertReady()
    const epoch = this.#epoch
    const { sha1, keyCount } = this.#scripts.publish
    const reply = await this.#client.call(['EVALSHA', sha1, `${keyCount}`, ...keys, epoch, withoutEpoch(this.#lastId), ...args])
    if (reply === null) return null
    if (reply === 'conflict') throw new SSE_ERR_IDEMPOTENCY_KEY()
    if (reply === 'precondition') throw new SSE_ERR_PRECONDITION()
    const [time, repeated] = reply as [string, number]
    const id = `${epoch}.${time}`
    this.observe(id)
    return { id, repeated: repeated === 1 }
  }

  /**
   * Reads a page of a channel's history. Waits while Redis is unavailable.
   *
   * @throws SSE_ERR_BROKER_UNAVAILABLE if Redis replies with an error, SSE_ERR_BROKER_CLOSED
   */
  async read (channel: string, after: string | undefined, count: number): Promise<SsePage> {
    const start = after === undefined ? ['', ''] : splitId(after)
    const keys = [this.#keys.log, this.#keys.history(channel)]
    for (;;) {
      await this.#client.ready
      try {
        const epoch = this.#epoch
        const reply = await this.#client.callScript(this.#scripts.read, ...keys, epoch, withoutEpoch(this.#lastId), escapeName(channel), ...start, `${count}`, `${PAGE_BYTES}`)
        if (reply !== null) return this.#page(epoch, after, reply as ReadReply)
        await this.#recover()
      } catch (error) {
        if (!isOutage(error)) throw toBrokerError(error)
      }
    }
  }

  #page (epoch: string, after: string | undefined, [last, known, newestLost, entries, more, damaged]: ReadReply): SsePage {
    const clock = `${epoch}.${last}`
    this.observe(clock)
    const start = after === undefined || known === 0 ? idBeforeAll(epoch) : after
    const lost = `${epoch}.${newestLost}`
    return {
      entries: entries.map(([time, payload]) => new SseEntry(`${epoch}.${time}`, parsePayload(payload))),
      more: more === 1,
      known: known === 1,
      lost: compareIds(lost, start) > 0 ? lost : undefined,
      damaged: damaged === 1,
      clock
    }
  }

  /**
   * Learns the current epoch, and loads the `publish` script in case Redis was restarted. Concurrent calls share one request.
   *
   * @throws SSE_ERR_BROKER_UNAVAILABLE
   */
  async #recover (): Promise<void> {
    this.#recovering ??= Promise.all([this.#client.call(['SCRIPT', 'LOAD', this.#scripts.publish.source]), this.sync('', [])]).catch(error => {
      throw new SSE_ERR_BROKER_UNAVAILABLE(reasonOf(error), { cause: error })
    }).finally(() => { this.#recovering = undefined })
    await this.#recovering
  }
}

function withoutEpoch (id: string): string {
  return id.slice(id.indexOf('.') + 1)
}

/** Splits an id into its epoch and the rest. Text that is not an id gets the epoch `-`, which no log has. */
function splitId (id: string): [epoch: string, rest: string] {
  const epoch = epochOf(id)
  return epoch === undefined ? ['-', '0-0'] : [epoch, withoutEpoch(id)]
}
