type Callback<Args extends unknown[]> = (...args: Args) => unknown

/** Receives what a callback throws or rejects with. */
type Report = (error: unknown) => void

/** Callbacks that run in the order in which they were added. One that throws or rejects is reported; the others still run. */
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

  /** Adds a callback. After the final call, it runs immediately. */
  add (callback: Callback<Args>, report: Report): void {
    if (this.#finalArgs === undefined) this.#callbacks.push(callback)
    else run([callback], this.#finalArgs, report)
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
    try {
      const result = callback(...args)
      if (isThenable(result)) pending.push(Promise.resolve(result).then(() => {}, report))
    } catch (error) {
      report(error)
    }
  }
  return pending
}

export function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function'
}
