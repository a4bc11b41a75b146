/** Passes items from a producer to a consumer, one at a time, and only when the consumer pulls. */
export class PullQueue<Item> {
  #closed = false
  /** Resolves the pending pull. */
  #resolvePull: ((item: Item | undefined) => void) | undefined
  #onPull = (): void => {}

  /** Resolves when the consumer has finished with the item: when it pulls again, or when the queue is closed. */
  async push (item: Item): Promise<void> {
    await this.#pulled()
    this.#resolvePull?.(item)
    this.#resolvePull = undefined
    await this.#pulled()
  }

  /** @returns the next item; undefined when the queue is closed */
  async pull (): Promise<Item | undefined> {
    if (this.#closed) return undefined
    return await new Promise(resolve => {
      this.#resolvePull = resolve
      this.#onPull()
    })
  }

  close (): void {
    this.#closed = true
    this.#resolvePull?.(undefined)
    this.#onPull()
  }

  async #pulled (): Promise<void> {
    if (this.#closed || this.#resolvePull !== undefined) return
    await new Promise<void>(resolve => { this.#onPull = resolve })
  }
}
