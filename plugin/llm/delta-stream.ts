import type { ModelDelta } from './model-delta.ts'

type Result = IteratorResult<ModelDelta, void>

type ResolveRead = (result: Result | Promise<Result>) => void

interface Failure {
  readonly error: unknown
}

/**
 * A queue of deltas between a request to a model and the consumer that iterates over them. Not a generator function,
 * because the `return()` of a generator waits for a pending `next()`, and so for the model.
 */
export class DeltaStream implements AsyncGenerator<ModelDelta, void, undefined> {
  readonly #onStart: (stream: DeltaStream) => void
  readonly #signal: AbortSignal | undefined
  readonly #queue: ModelDelta[] = []
  readonly #pendingReads: ResolveRead[] = []
  #state: 'idle' | 'started' | 'ended' = 'idle'
  #failure: Failure | undefined
  /** Whether any delta of the current request was pushed. If so, the request must not be sent again. */
  hasPushed = false
  /** Called when the consumer waits for a delta and the queue is empty. */
  onDemand: (() => void) | undefined
  /** Whether the consumer wants no further deltas. */
  cancelled = false
  /** Called when the consumer wants no further deltas. */
  onCancel: (() => void) | undefined

  /**
   * @param signal when it aborts, the stream fails immediately with its reason
   * @param onStart called when the first delta is requested
   */
  constructor (signal: AbortSignal | undefined, onStart: (stream: DeltaStream) => void) {
    this.#signal = signal
    this.#onStart = onStart
  }

  /** Whether the consumer is waiting for a delta. */
  get hasDemand (): boolean {
    return this.#pendingReads.length > 0
  }

  push (delta: ModelDelta): void {
    if (this.#state === 'ended') return
    this.hasPushed = true
    const resolveRead = this.#pendingReads.shift()
    if (resolveRead === undefined) this.#queue.push(delta)
    else resolveRead({ done: false, value: delta })
  }

  end (): void {
    if (this.#state !== 'ended') this.#end(undefined)
  }

  /** The consumer gets the deltas still in the queue, then the error. */
  fail (error: unknown): void {
    if (this.#state !== 'ended') this.#end({ error })
  }

  next (): Promise<Result> {
    if (this.#state === 'idle') this.#start()
    // After the end, there is no listener on the signal.
    else if (this.#queue.length > 0 && this.#signal?.aborted === true) this.#onAbort()
    const delta = this.#queue.shift()
    if (delta !== undefined) return Promise.resolve({ done: false, value: delta })
    if (this.#state === 'ended') return this.#endResult()
    const read = new Promise<Result>(resolve => { this.#pendingReads.push(resolve) })
    this.onDemand?.()
    return read
  }

  return (): Promise<Result> {
    this.#cancel(undefined)
    return this.#endResult()
  }

  throw (error: unknown): Promise<Result> {
    this.#cancel(undefined)
    return Promise.reject(error)
  }

  [Symbol.asyncIterator] (): this {
    return this
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    await this.return()
  }

  #start (): void {
    this.#state = 'started'
    if (this.#signal?.aborted === true) return this.#onAbort()
    this.#signal?.addEventListener('abort', this.#onAbort)
    this.#onStart(this)
  }

  readonly #onAbort = (): void => {
    this.#cancel({ error: this.#signal!.reason })
  }

  /** Ends immediately and discards the queue. */
  #cancel (failure: Failure | undefined): void {
    this.#queue.length = 0
    this.#end(failure)
    this.cancelled = true
    this.onCancel?.()
  }

  #end (failure: Failure | undefined): void {
    this.#state = 'ended'
    this.#failure = failure
    this.onDemand = undefined
    this.#signal?.removeEventListener('abort', this.#onAbort)
    for (const resolveRead of this.#pendingReads.splice(0)) resolveRead(this.#endResult())
  }

  /** Like a generator, rejects once with the error, and is done from then on. */
  #endResult (): Promise<Result> {
    const failure = this.#failure
    this.#failure = undefined
    return failure === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(failure.error)
  }
}
