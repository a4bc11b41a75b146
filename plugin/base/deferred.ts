/** A promise with its `resolve` and `reject` functions, like `Promise.withResolvers()`, which Node.js 20 does not have. */
export class Deferred<Value> {
  readonly promise: Promise<Value>
  resolve!: (value: Value) => void
  reject!: (error: unknown) => void

  constructor () {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // A rejection that nobody handles must not crash the process. A caller that awaits the promise still receives it.
    this.promise.catch(() => {})
  }
}

/** Returns a rejected promise that never crashes the process, even if no one awaits it. */
export function handledRejection (error: unknown): Promise<never> {
  const promise = Promise.reject(error)
  promise.catch(() => {})
  return promise
}
