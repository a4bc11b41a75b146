import type { FinishReason, ModelDelta } from './delta.ts'
import { ModelError } from './errors.ts'

/** What a protocol understands of an answer, in the words of all. Ignores what is null, undefined or empty. */
export class Answer {
  readonly #push: (delta: ModelDelta) => void
  /** Where the protocol has its calls of tools; we count them from 0. */
  readonly #calls: unknown[] = []
  #reason: FinishReason | undefined
  #input: number | undefined
  #output: number | undefined
  /** Whether it has had its last delta. */
  over = false

  constructor (push: (delta: ModelDelta) => void) {
    this.#push = push
  }

  text (text: unknown): void {
    if (said(text)) this.#push({ type: 'text', text })
  }

  reasoning (text: unknown): void {
    if (said(text)) this.#push({ type: 'reasoning', text })
  }

  refusal (text: unknown): void {
    if (said(text)) this.#push({ type: 'refusal', text })
  }

  /** @param place what is the same for all pieces of one call */
  toolCall (place: unknown, id: unknown, name: unknown, args: unknown): void {
    let index = this.#calls.indexOf(place)
    if (index === -1) index = this.#calls.push(place) - 1
    this.#push({ type: 'tool-call', index, id: said(id) ? id : undefined, name: said(name) ? name : undefined, arguments: said(args) ? args : '' })
  }

  /** More of a call's arguments; of one that has not begun here, they are not for us. */
  toolArguments (place: unknown, args: unknown): void {
    if (said(args) && this.#calls.includes(place)) this.toolCall(place, undefined, undefined, args)
  }

  /** Nothing more will be said: this is why. */
  stops (reason: FinishReason): void {
    // Some protocols know of no other reason where tools are called.
    this.#reason = reason === 'stop' && this.#calls.length > 0 ? 'tool-calls' : reason
  }

  /** Tokens so far. */
  uses (input: unknown, output: unknown): void {
    if (typeof input === 'number') this.#input = input
    if (typeof output === 'number') this.#output = output
  }

  /** It is whole. */
  end (): void {
    this.over = true
    const [input, output] = [this.#input, this.#output]
    const usage = input === undefined || output === undefined ? undefined : { inputTokens: input, outputTokens: output, totalTokens: input + output }
    this.#push({ type: 'finish', reason: this.#reason ?? 'other', usage })
  }

  /** Ends it where all was said. @returns whether it is over */
  endIfSaid (): boolean {
    if (!this.over && this.#reason !== undefined) this.end()
    return this.over
  }
}

/** @throws ModelError bad_chunk for what is no text */
function said (text: unknown): text is string {
  if (text === null || text === undefined || text === '') return false
  if (typeof text !== 'string') throw new ModelError('bad_chunk')
  return true
}
