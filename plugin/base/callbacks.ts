import { bindContext } from './async-context.ts'
import { SSE_ERR_CALLBACK, SSE_ERR_OPTION } from './errors.ts'
import { describe } from './option-checks.ts'

type Callback<Args extends unknown[]> = (...args: Args) => unknown

/** Receives what a callback throws or rejects with. */
type Report = (error: unknown) => void

/**
 * Callbacks that run in the order in which they were added, each in the AsyncLocalStorage context in which it was added. One
 * that throws or rejects is reported; the others still run.
 */
export class Callbacks<Args extends unknown[]> {
  #callbacks: Array<Callback<Args>> = []
  #finalArgs: Args | undefined

  /** @param finalArgs the arguments of the final call, if it was made before the first callback is added */
  constructor (finalArgs?: Args) {
    this.#finalArgs = finalArgs
  }

  /** Whether the final call was made. */
  get done (): boolean {
    return this.#finalArgs !== undefined
  }

  /** The arguments of the final call, once it was made. */
  get finalArgs (): Args | undefined {
    return this.#finalArgs
  }

  /** Adds a callback. After the final call, it runs immediately. @throws SSE_ERR_OPTION unless it is a function */
  add (callback: Callback<Args>, report: Report): void {
    if (typeof callback !== 'function') throw new SSE_ERR_OPTION('A callback must be a function', `received ${describe(callback)}`)
    if (this.#finalArgs === undefined) this.#callbacks.push(bindContext(callback))
    else notify(callback, this.#finalArgs, report)
  }

  /** Calls all callbacks, and keeps them for the next call. */
  call (args: Args, report: Report): void {
    run(this.#callbacks, args, report)
  }

  /**
   * Calls all callbacks for the last time.
   *
   * @returns a promise for each callback that returned one; it resolves when that promise settles
   */
  finish (args: Args, report: Report): Array<Promise<void>> {
    const callbacks = this.#callbacks
    this.#callbacks = []
    this.#finalArgs = args
    return run(callbacks, args, report)
  }
}

function run<Args extends unknown[]> (callbacks: Array<Callback<Args>>, args: Args, report: Report): Array<Promise<void>> {
  const pending: Array<Promise<void>> = []
  for (const callback of callbacks) {
    const busy = notify(callback, args, report)
    if (busy !== undefined) pending.push(busy)
  }
  return pending
}

/**
 * Calls a callback. Never throws; an error that the callback throws or rejects with is reported.
 *
 * @returns a promise that resolves when the one that the callback returned settles; undefined if it returned none
 */
export function notify<Args extends unknown[]> (callback: Callback<Args>, args: Args, report: Report): Promise<void> | undefined {
  try {
    const result = callback(...args)
    if (isThenable(result)) return Promise.resolve(result).then(() => {}, report)
  } catch (error) {
    report(error)
  }
  return undefined
}

/**
 * Returns the result of a callback, unless it is a promise.
 *
 * @param name the name of the callback, for messages
 * @param rule the values that it may return, for messages
 * @throws SSE_ERR_CALLBACK for a promise, which would count as true; its rejection is ignored
 */
export function notPromise<Value> (value: Value, name: string, rule: string): Value {
  if (!isThenable(value)) return value
  Promise.resolve(value).catch(() => {})
  throw new SSE_ERR_CALLBACK(name, rule, 'it returned a promise')
}

/** Returns the result of a callback as a boolean. @throws SSE_ERR_CALLBACK for a promise */
export function decision (value: unknown, name: string): boolean {
  return typeof value === 'boolean' ? value : Boolean(notPromise(value, name, 'true or false'))
}

export function isThenable (value: unknown): value is PromiseLike<unknown> {
  return (typeof value === 'object' || typeof value === 'function') && typeof (value as PromiseLike<unknown> | null)?.then === 'function'
}
