import type { ModelDelta } from './delta.ts'

type Result = IteratorResult<ModelDelta, void>

type Waiting = (result: Result | Promise<Result>) => void

interface Failure {
  readonly error: unknown
}

/**
 * Deltas on their way from a model to whoever asks for them. Made by hand and not a generator function, because there
 * `return()` waits for a `next()` that is under way, and so for the model.
 */
export class DeltaStream implements AsyncGenerator<ModelDelta, void, undefined> {
  readonly #begin: (stream: DeltaStream) => void
  readonly #signal: AbortSignal | undefined
  readonly #stopped = new AbortController()
  readonly #deltas: ModelDelta[] = []
  readonly #waiting: Waiting[] = []
  #state: 'new' | 'open' | 'over' = 'new'
  #failure: Failure | undefined
  /** Whether there was a delta: from then on nothing may be asked again. */
  begun = false
  /** Called when somebody waits for a delta and there is none. */
  onWanted: (() => void) | undefined

  /**
   * @param signal its abortion fails the stream with its reason, at once
   * @param begin called when the first delta is asked for
   */
  constructor (signal: AbortSignal | undefined, begin: (stream: DeltaStream) => void) {
    this.#signal = signal
    this.#begin = begin
  }

  /** Aborted when nobody wants any more deltas. */
  get stopped (): AbortSignal {
    return this.#stopped.signal
  }

  /** Whether somebody waits for a delta. */
  get waiting (): boolean {
    return this.#waiting.length > 0
  }

  // From the model

  push (delta: ModelDelta): void {
    if (this.#state === 'over') return
    this.begun = true
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#deltas.push(delta)
    else waiting({ done: false, value: delta })
  }

  end (): void {
    if (this.#state !== 'over') this.#end(undefined)
  }

  /** Ends in an error, behind what there is. */
  fail (error: unknown): void {
    if (this.#state !== 'over') this.#end({ error })
  }

  // From who asks

  next (): Promise<Result> {
    if (this.#state === 'new') this.#open()
    // What ended before is not listened for any more.
    else if (this.#deltas.length > 0 && this.#signal?.aborted === true) this.#onAbort()
    const delta = this.#deltas.shift()
    if (delta !== undefined) return Promise.resolve({ done: false, value: delta })
    if (this.#state === 'over') return this.#ending()
    const next = new Promise<Result>(resolve => { this.#waiting.push(resolve) })
    this.onWanted?.()
    return next
  }

  return (): Promise<Result> {
    this.#stop(undefined)
    return this.#ending()
  }

  throw (error: unknown): Promise<Result> {
    this.#stop(undefined)
    return Promise.reject(error)
  }

  [Symbol.asyncIterator] (): this {
    return this
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    await this.return()
  }

  #open (): void {
    this.#state = 'open'
    if (this.#signal?.aborted === true) return this.#onAbort()
    this.#signal?.addEventListener('abort', this.#onAbort)
    this.#begin(this)
  }

  readonly #onAbort = (): void => {
    this.#stop({ error: this.#signal!.reason })
  }

  /** Ends at once, without what there is. */
  #stop (failure: Failure | undefined): void {
    this.#deltas.length = 0
    this.#end(failure)
    this.#stopped.abort()
  }

  #end (failure: Failure | undefined): void {
    this.#state = 'over'
    this.#failure = failure
    this.onWanted = undefined
    this.#signal?.removeEventListener('abort', this.#onAbort)
    for (const waiting of this.#waiting.splice(0)) waiting(this.#ending())
  }

  /** An error once, then the end, as a generator does it. */
  #ending (): Promise<Result> {
    const failure = this.#failure
    this.#failure = undefined
    return failure === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(failure.error)
  }
}
