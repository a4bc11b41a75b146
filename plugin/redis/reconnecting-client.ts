import { setTimeout as sleep } from 'node:timers/promises'
import { currentTime } from '../base/clock.ts'
import { Deferred } from '../base/deferred.ts'
import { SSE_ERR_BROKER_CLOSED } from '../base/errors.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import { isErrorReply, isUnavailableServer, isUnknownScript, reasonOf } from './error-classification.ts'
import { SSE_ERR_BROKER_UNAVAILABLE, SSE_ERR_BROKER_UNKNOWN } from './errors.ts'
import type { LuaScript } from './lua-scripts.ts'
import type { Address, RedisConnection } from './node-redis.ts'
import { PendingCommand } from './pending-command.ts'

/** Milliseconds before the first attempt to reconnect, doubled with each further one, and their maximum. */
const FIRST_DELAY = 50
const MAX_DELAY = 2_000

export interface ReconnectingClientOptions {
  /** Creates a connection that isn't open yet. @param address what `findAddress` returned */
  readonly createConnection: (address?: Address) => RedisConnection
  /** Resolves the server's address before each attempt to connect. Without it, `createConnection` chooses the address. */
  readonly findAddress?: (() => Promise<Address>) | undefined
  /** Milliseconds to wait for a reply. */
  readonly timeout: number
  readonly wheel: TimerWheel
  /** Prepares each new connection before the client is ready. If it rejects, the connection is closed. */
  readonly prepare: () => Promise<unknown>
  /** Called when the connection is lost or can't be established. */
  readonly onError: (error: Error) => void
}

/** A client of Redis that reconnects whenever its connection is lost. It never queues commands for a later connection. */
export class ReconnectingClient {
  readonly #options: ReconnectingClientOptions
  readonly #pending = new Set<PendingCommand>()
  readonly #closing = new AbortController()
  readonly #firstAttempt = new Deferred<void>()
  #connection: RedisConnection | undefined
  /** Resolves with the reason when the current connection, or the current attempt to connect, has failed. */
  #lost = new Deferred<Error>()
  #ready = new Deferred<void>()
  #isReady = false
  /** Why it is not ready. */
  #reason = 'not connected yet'

  constructor (options: ReconnectingClientOptions) {
    this.#options = options
    this.#keepConnected()
  }

  get isReady (): boolean {
    return this.#isReady
  }

  /** Resolves when the client is ready; rejects with SSE_ERR_BROKER_CLOSED. */
  get ready (): Promise<void> {
    return this.#ready.promise
  }

  /** Resolves when the first attempt to connect has succeeded or failed. */
  get firstAttempt (): Promise<void> {
    return this.#firstAttempt.promise
  }

  /** @throws SSE_ERR_BROKER_UNAVAILABLE if the client is not ready */
  assertReady (): void {
    if (!this.#isReady) throw new SSE_ERR_BROKER_UNAVAILABLE(this.#reason)
  }

  /**
   * Performs an action with the connection, which may still be in preparation.
   *
   * @throws SSE_ERR_BROKER_UNAVAILABLE if nothing was done because there is no connection or the server is unavailable;
   *   SSE_ERR_BROKER_UNKNOWN if the connection was lost before the reply; any other error reply as it is
   */
  async perform<Reply> (action: (connection: RedisConnection) => Promise<Reply>): Promise<Reply> {
    const connection = this.#connection
    if (connection === undefined) throw new SSE_ERR_BROKER_UNAVAILABLE(this.#reason)
    return await this.#await(action(connection))
  }

  /** Sends a command. @throws the same errors as `perform` */
  async call (args: string[]): Promise<unknown> {
    return await this.perform(connection => connection.sendCommand(args))
  }

  /** Runs a Lua script by its hash, and sends its text if Redis hasn't cached it. @throws the same errors as `perform` */
  async callScript (script: LuaScript, ...args: string[]): Promise<unknown> {
    const rest = [`${script.keyCount}`, ...args]
    try {
      return await this.call(['EVALSHA', script.sha1, ...rest])
    } catch (error) {
      if (!isUnknownScript(error)) throw error
      return await this.call(['EVAL', script.source, ...rest])
    }
  }

  /** Drops the current connection; a new one is then opened. */
  disconnect (error: Error): void {
    this.#connection = undefined
    this.#reason = reasonOf(error)
    if (this.#isReady) {
      this.#isReady = false
      this.#ready = new Deferred()
    }
    for (const { reply } of this.#pending) reply.reject(new SSE_ERR_BROKER_UNKNOWN(this.#reason, { cause: error }))
    this.#lost.resolve(error)
  }

  close (): void {
    this.#closing.abort()
    const error = new SSE_ERR_BROKER_CLOSED()
    this.disconnect(error)
    this.#ready.reject(error)
    this.#firstAttempt.resolve()
  }

  /** Waits for a reply until the timeout expires or the connection is lost. */
  async #await<Reply> (replied: Promise<Reply>): Promise<Reply> {
    const { wheel, timeout } = this.#options
    const disconnect = this.#createDisconnect()
    const command = new PendingCommand(() => { disconnect(new Error(`Redis did not reply within ${timeout} ms`)) })
    this.#pending.add(command)
    wheel.set(command, currentTime() + timeout)
    replied.then(command.reply.resolve, error => {
      if (isUnavailableServer(error)) command.reply.reject(new SSE_ERR_BROKER_UNAVAILABLE(error.message, { cause: error }))
      else if (isErrorReply(error)) return command.reply.reject(error)
      disconnect(error)
    })
    try {
      return await command.reply.promise as Reply
    } finally {
      command.finish()
      this.#pending.delete(command)
      wheel.clear(command)
    }
  }

  /** @returns a function that disconnects, unless the connection has been replaced by then */
  #createDisconnect (): (error: Error) => void {
    const lost = this.#lost
    return error => { if (lost === this.#lost) this.disconnect(error) }
  }

  /** Keeps reconnecting until the client is closed. */
  async #keepConnected (): Promise<void> {
    const { signal } = this.#closing
    let failures = 0
    let reported: string | undefined
    while (!signal.aborted) {
      const error = await this.#useConnection(() => {
        failures = 0
        reported = undefined
      }).catch((error: Error) => {
        // The application's client could not be duplicated.
        this.disconnect(error)
        return error
      })
      if (signal.aborted) return
      this.#firstAttempt.resolve()
      if (this.#reason !== reported) this.#options.onError(error)
      reported = this.#reason
      // Jitter keeps the clients of a failed Redis from reconnecting all at once.
      const delay = Math.min(FIRST_DELAY * 2 ** failures++, MAX_DELAY)
      await sleep(delay * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {})
    }
  }

  /** Opens a connection and waits until it is lost. @returns the reason */
  async #useConnection (onReady: () => void): Promise<Error> {
    const lost = this.#lost = new Deferred()
    const disconnect = this.#createDisconnect()
    const { createConnection, findAddress } = this.#options
    let address: Address | undefined
    if (findAddress !== undefined) {
      address = await Promise.race([findAddress().catch(disconnect), lost.promise.then(() => {})]) as Address | undefined
      if (address === undefined) return await lost.promise
    }
    const connection = createConnection(address)
    connection.on('error', disconnect)
    connection.on('end', () => { disconnect(new Error('The connection to Redis was closed')) })
    connection.on('sharded-channel-moved', () => { disconnect(new Error('The subscribed channels have moved to another node of the cluster')) })
    // A connection can't be destroyed before it has been established or has failed.
    const settled = new Deferred<void>()
    connection.on('connect', settled.resolve)
    const connecting = connection.connect()
    connecting.catch(() => {}).then(() => { settled.resolve() })
    this.#prepare(connection, connecting).then(onReady, disconnect)
    const reason = await lost.promise
    await settled.promise
    try {
      connection.destroy()
    } catch {
      // @redis/client before 6.3 throws if the connection is closed already.
    }
    return reason
  }

  async #prepare (connection: RedisConnection, connecting: Promise<unknown>): Promise<void> {
    await this.#await(connecting)
    this.#connection = connection
    await this.#options.prepare()
    // It may have been lost during the preparation.
    if (this.#connection !== connection) return
    this.#isReady = true
    this.#ready.resolve()
    this.#firstAttempt.resolve()
  }
}
