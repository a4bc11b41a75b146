/** Hands items over one by one, no faster than they are asked for. */
export class Handover<Item> {
  #ended = false
  /** Takes the item that was asked for. */
  #take: ((item: Item | undefined) => void) | undefined
  /** Called when somebody asks. */
  #onAsk = (): void => {}

  /** @returns when the item is done with: another one is asked for, or none will be */
  async give (item: Item): Promise<void> {
    await this.#asked()
    this.#take?.(item)
    this.#take = undefined
    await this.#asked()
  }

  /** Asks for an item. @returns undefined if there will be none */
  async take (): Promise<Item | undefined> {
    if (this.#ended) return undefined
    return await new Promise(resolve => {
      this.#take = resolve
      this.#onAsk()
    })
  }

  end (): void {
    this.#ended = true
    this.#take?.(undefined)
    this.#onAsk()
  }

  async #asked (): Promise<void> {
    if (this.#ended || this.#take !== undefined) return
    await new Promise<void>(resolve => { this.#onAsk = resolve })
  }
}
