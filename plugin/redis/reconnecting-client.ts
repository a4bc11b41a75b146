import { setImmediate } from 'node:timers'
import { setTimeout as pause } from 'node:timers/promises'
import { Deferred } from '../base/deferred.ts'
import { SSE_ERR_BROKER_CLOSED } from '../base/errors.ts'
import { WheelTimer, type TimerWheel } from '../base/timer-wheel.ts'
import type { Address, RedisConnection } from './node-redis.ts'
import { SSE_ERR_BROKER_UNAVAILABLE, SSE_ERR_BROKER_UNKNOWN } from './errors.ts'
import type { Script } from './lua-scripts.ts'

/** Milliseconds before a lost connection is made again: the first time, and at most. */
const PAUSE = 50
const LONGEST_PAUSE = 2_000

/** What Redis says where it is not, or not yet, the one to ask: another may be there when it is connected to anew. */
const ELSEWHERE = /^(READONLY|LOADING|MASTERDOWN|BUSY|CLUSTERDOWN|TRYAGAIN|MOVED|ASK) /

export interface LineOptions {
  /** Makes a connection that is still to be connected. @param address where `locate` has found it */
  readonly create: (address?: Address) => RedisConnection
  /** Finds out where to connect to, each time; without it, `create` knows. */
  readonly locate?: (() => Promise<Address>) | undefined
  /** Milliseconds for an answer. */
  readonly timeout: number
  readonly wheel: TimerWheel
  /** What there is to do on each new connection before it is up. If it rejects, the connection is given up. */
  readonly prepare: () => Promise<unknown>
  /** The connection was lost or could not be made. */
  readonly onError: (error: Error) => void
}

/** Something that was asked, and rings when the answer is late. */
class Call extends WheelTimer {
  readonly answer = new Deferred<unknown>()
  readonly #onLate: () => void
  #done = false

  constructor (onLate: () => void) {
    super()
    this.#onLate = onLate
  }

  fire (): void {
    // Where this process was busy itself, the answer may be here and wait to be read.
    setImmediate(() => { if (!this.#done) this.#onLate() })
  }

  finish (): void {
    this.#done = true
  }
}

/** A connection to Redis, which is made again whenever it is lost. It keeps nothing back to be sent later. */
export class Line {
  readonly #options: LineOptions
  readonly #calls = new Set<Call>()
  readonly #closing = new AbortController()
  readonly #attempted = new Deferred<void>()
  #connection: RedisConnection | undefined
  /** Settled with the reason when what is connected, or is being connected, is lost. */
  #lost = new Deferred<Error>()
  #up = new Deferred<void>()
  #isUp = false
  /** Why it is not up. */
  #reason = 'it was not connected yet'

  constructor (options: LineOptions) {
    this.#options = options
    this.#keep()
  }

  get isUp (): boolean {
    return this.#isUp
  }

  /** Settled when it is up; rejects with SSE_ERR_BROKER_CLOSED. */
  get up (): Promise<void> {
    return this.#up.promise
  }

  /** Settled when the first attempt to connect has come to something. */
  get attempted (): Promise<void> {
    return this.#attempted.promise
  }

  /** @throws SSE_ERR_BROKER_UNAVAILABLE if it is not up */
  assertUp (): void {
    if (!this.#isUp) throw new SSE_ERR_BROKER_UNAVAILABLE(this.#reason)
  }

  /**
   * Has the connection do something, also while it is prepared.
   *
   * @throws SSE_ERR_BROKER_UNAVAILABLE if it was not done, because there is no connection or Redis cannot do it now;
   *   SSE_ERR_BROKER_UNKNOWN if the connection was lost before the answer came; what Redis has refused it with
   */
  async do<Answer> (act: (connection: RedisConnection) => Promise<Answer>): Promise<Answer> {
    const connection = this.#connection
    if (connection === undefined) throw new SSE_ERR_BROKER_UNAVAILABLE(this.#reason)
    return await this.#ask(connection, act)
  }

  async call (args: string[]): Promise<unknown> {
    return await this.do(connection => connection.sendCommand(args))
  }

  async run (script: Script, ...args: string[]): Promise<unknown> {
    const rest = [`${script.keys}`, ...args]
    try {
      return await this.call(['EVALSHA', script.sha, ...rest])
    } catch (error) {
      if (!isUnknownScript(error)) throw error
      return await this.call(['EVAL', script.text, ...rest])
    }
  }

  /** Gives the connection up, for a new one. */
  lose (error: Error): void {
    this.#connection = undefined
    this.#reason = reasonOf(error)
    if (this.#isUp) {
      this.#isUp = false
      this.#up = new Deferred()
    }
    for (const { answer } of this.#calls) answer.reject(new SSE_ERR_BROKER_UNKNOWN(this.#reason, { cause: error }))
    this.#lost.resolve(error)
  }

  close (): void {
    this.#closing.abort()
    const error = new SSE_ERR_BROKER_CLOSED()
    this.lose(error)
    this.#up.reject(error)
    this.#attempted.resolve()
  }

  async #ask<Answer> (connection: RedisConnection, act: (connection: RedisConnection) => Promise<Answer>): Promise<Answer> {
    const { wheel, timeout } = this.#options
    const lost = this.#lost
    const lose = (error: Error): void => { if (lost === this.#lost) this.lose(error) }
    const call = new Call(() => lose(new Error(`Redis has not answered for ${timeout} ms`)))
    this.#calls.add(call)
    wheel.set(call, performance.now() + timeout)
    act(connection).then(call.answer.resolve, error => {
      if (ELSEWHERE.test(error.message)) call.answer.reject(new SSE_ERR_BROKER_UNAVAILABLE(error.message, { cause: error }))
      // What Redis itself says begins with a word in capitals; anything else is about the connection.
      else if (/^[A-Z]+ /.test(error.message)) return call.answer.reject(error)
      lose(error)
    })
    try {
      return await call.answer.promise as Answer
    } finally {
      call.finish()
      this.#calls.delete(call)
      wheel.clear(call)
    }
  }

  /** Connects, again and again, until it is closed. */
  async #keep (): Promise<void> {
    const { signal } = this.#closing
    let failures = 0
    let told: string | undefined
    while (!signal.aborted) {
      const error = await this.#live(() => {
        failures = 0
        told = undefined
      })
      if (signal.aborted) return
      this.#attempted.resolve()
      if (this.#reason !== told) this.#options.onError(error)
      told = this.#reason
      // Many who have lost the same Redis do not come back at the same time.
      const longest = Math.min(PAUSE * 2 ** failures++, LONGEST_PAUSE)
      await pause(longest * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {})
    }
  }

  /** One connection, from made to lost. @returns why it was lost */
  async #live (onUp: () => void): Promise<Error> {
    const lost = this.#lost = new Deferred()
    const lose = (error: Error): void => { if (lost === this.#lost) this.lose(error) }
    const { create, locate } = this.#options
    let address: Address | undefined
    if (locate !== undefined) {
      address = await Promise.race([locate().catch(lose), lost.promise.then(() => {})]) as Address | undefined
      if (address === undefined) return await lost.promise
    }
    const connection = create(address)
    connection.on('error', lose)
    connection.on('end', () => { lose(new Error('The connection was closed')) })
    connection.on('sharded-channel-moved', () => { lose(new Error('What is heard by the connection has moved to another node of the cluster')) })
    // While it is being made, there is nothing yet that could be destroyed.
    const made = new Deferred<void>()
    connection.on('connect', made.resolve)
    const connecting = connection.connect()
    connecting.catch(() => {}).then(() => { made.resolve() })
    this.#prepare(connection, connecting).then(onUp, lose)
    const error = await lost.promise
    await made.promise
    connection.destroy()
    return error
  }

  async #prepare (connection: RedisConnection, connecting: Promise<unknown>): Promise<void> {
    await this.#ask(connection, () => connecting)
    this.#connection = connection
    await this.#options.prepare()
    // It may have been lost just now.
    if (this.#connection !== connection) return
    this.#isUp = true
    this.#up.resolve()
    this.#attempted.resolve()
  }
}

/** Whether Redis does not have a script that was named by its digest. */
export function isUnknownScript (error: unknown): boolean {
  return /^NOSCRIPT /.test((error as Error).message)
}

/** Of several addresses that were tried, there are several errors, and no message. */
function reasonOf (error: Error): string {
  return error.message || `${(error as NodeJS.ErrnoException).code}`
}
