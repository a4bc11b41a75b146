/** Characters of messages that are held. */
const MAX_SIZE = 16 * 1024 * 1024

export interface PubSubMessage {
  readonly message: string
  readonly pubsubChannel: string
}

/** Messages that wait to be processed. If there are too many, all of them are dropped. */
export class HeldMessages {
  #messages: PubSubMessage[] = []
  #size = 0
  #overflowed = false

  /** Whether messages were dropped since the last call of `clear`. */
  get overflowed (): boolean {
    return this.#overflowed
  }

  /** @returns whether the message is held */
  add (message: PubSubMessage): boolean {
    this.#size += message.message.length
    if (this.#size > MAX_SIZE) {
      this.#messages = []
      this.#overflowed = true
    }
    if (!this.#overflowed) this.#messages.push(message)
    return !this.#overflowed
  }

  take (): PubSubMessage[] {
    const messages = this.#messages
    this.#messages = []
    this.#size = 0
    return messages
  }

  clear (): void {
    this.take()
    this.#overflowed = false
  }
}
