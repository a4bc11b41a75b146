type Callback<Args extends unknown[]> = (...args: Args) => unknown

/** Takes what a callback throws. */
type Report = (error: unknown) => void

/** Callbacks of one kind. They run in order; one that throws or rejects is reported and keeps no other from running. */
export class Callbacks<Args extends unknown[]> {
  #callbacks: Array<Callback<Args>> = []
  /** With what the last call came, if no other follows. */
  #last: Args | undefined

  /** @param last with what the last call came, if it came before there was anyone to be called */
  constructor (last?: Args) {
    this.#last = last
  }

  /** Whether the last call has come. */
  get done (): boolean {
    return this.#last !== undefined
  }

  /** Adds one. After the last call, it runs at once. */
  add (callback: Callback<Args>, report: Report): void {
    if (this.#last === undefined) this.#callbacks.push(callback)
    else run([callback], this.#last, report)
  }

  /** Calls them, as it may be done again. */
  call (args: Args, report: Report): void {
    run(this.#callbacks, args, report)
  }

  /**
   * Calls them for the last time.
   *
   * @returns a promise for each callback that is still busy; none of them rejects
   */
  finish (args: Args, report: Report): Array<Promise<void>> {
    const callbacks = this.#callbacks
    this.#callbacks = []
    this.#last = args
    return run(callbacks, args, report)
  }
}

function run<Args extends unknown[]> (callbacks: Array<Callback<Args>>, args: Args, report: Report): Array<Promise<void>> {
  const busy: Array<Promise<void>> = []
  for (const callback of callbacks) {
    try {
      const result = callback(...args)
      if (isThenable(result)) busy.push(Promise.resolve(result).then(() => {}, report))
    } catch (error) {
      report(error)
    }
  }
  return busy
}

export function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function'
}
