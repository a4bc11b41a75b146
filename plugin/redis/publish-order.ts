import { Deferred } from '../base/deferred.ts'
import { isUnknownScript } from './error-classification.ts'

interface WaitingPublication {
  readonly number: number
  readonly turn: Deferred<void>
}

/**
 * Keeps publications in the order of the calls. If Redis didn't accept one and it has to be sent again,
 * later ones wait, so that they can't overtake it.
 */
export class PublishOrder {
  readonly #recover: () => Promise<void>
  #nextNumber = 0
  /** Publications that were sent and not answered yet. */
  #inFlight = 0
  /** Publications that wait until everything in flight is answered; undefined while there is no need to wait. */
  #waiting: WaitingPublication[] | undefined
  #recovering = false

  /** @param recover makes Redis accept publications again; called before the waiting ones are sent */
  constructor (recover: () => Promise<void>) {
    this.#recover = recover
  }

  /**
   * Sends a publication in its turn, again if necessary.
   *
   * @param send returns the reply, or null if the publication has to be sent again
   * @throws what `send` and `recover` throw
   */
  async run<Reply> (send: () => Promise<Reply | null>): Promise<Reply> {
    const number = this.#nextNumber++
    for (;;) {
      if (this.#waiting !== undefined) await this.#wait(number)
      const reply = await this.#send(send)
      if (reply !== null) return reply
    }
  }

  /** Publications in flight will have to be sent again, so later ones wait for them. */
  holdBehindInFlight (): void {
    if (this.#inFlight > 0) this.#waiting ??= []
  }

  async #wait (number: number): Promise<void> {
    const turn = new Deferred<void>()
    this.#waiting!.push({ number, turn })
    await turn.promise
  }

  async #send<Reply> (send: () => Promise<Reply | null>): Promise<Reply | null> {
    this.#inFlight++
    let reply: Reply | null | undefined
    try {
      reply = await send()
    } catch (error) {
      if (!isUnknownScript(error)) throw error
      reply = null
    } finally {
      this.#inFlight--
      if (reply === null) this.#waiting ??= []
      this.#release()
    }
    return reply
  }

  /** Lets waiting publications continue, in their order, once nothing is in flight and Redis accepts publications. */
  async #release (): Promise<void> {
    if (this.#waiting === undefined || this.#inFlight > 0 || this.#recovering) return
    this.#recovering = true
    const failure = await this.#recover().catch(error => error)
    const waiting = this.#waiting.sort((a, b) => a.number - b.number)
    this.#waiting = undefined
    this.#recovering = false
    for (const { turn } of waiting) {
      if (failure === undefined) turn.resolve()
      else turn.reject(failure)
    }
  }
}
