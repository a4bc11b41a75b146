/** A promise that is settled from outside; `Promise.withResolvers` of newer Nodes. */
export class Deferred<Value> {
  readonly promise: Promise<Value>
  resolve!: (value: Value) => void
  reject!: (error: unknown) => void

  constructor () {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // A rejection that nobody awaits is nobody's concern; who awaits it hears of it all the same.
    this.promise.catch(() => {})
  }
}
