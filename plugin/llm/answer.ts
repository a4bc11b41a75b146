import type { FinishReason, ModelDelta } from './delta.ts'
import { ModelError } from './errors.ts'

interface Named {
  id: string | undefined
  name: string | undefined
}

/** What was said of a call of a tool. */
interface Call extends Named {
  readonly index: number
}

/** What a protocol understands of an answer, in the words of all. Ignores what is null, undefined or empty. */
export class Answer {
  readonly #push: (delta: ModelDelta) => void
  /** The calls of tools, by where the protocol has them. */
  readonly #calls = new Map<unknown, Call>()
  /** The indices of those without arguments. */
  readonly #bare = new Set<number>()
  /** How many there are; we count them from 0. */
  #called = 0
  #reason: FinishReason | undefined
  #input: number | undefined
  #output: number | undefined
  /** Whether nothing was said yet. */
  silent = true
  /** Whether it has had its last delta. */
  over = false

  constructor (push: (delta: ModelDelta) => void) {
    this.#push = delta => {
      this.silent = false
      push(delta)
    }
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
    const piece = { id: said(id) ? id : undefined, name: said(name) ? name : undefined, arguments: said(args) ? args : '' }
    let call = this.#calls.get(place)
    if (call === undefined || begins(piece, call)) {
      call = { index: this.#called++, id: undefined, name: undefined }
      this.#calls.set(place, call)
      this.#bare.add(call.index)
    }
    const { index } = call
    if (piece.arguments !== '') this.#bare.delete(index)
    // Some say them again with each piece.
    this.#push({ type: 'tool-call', index, ...piece, id: call.id === undefined ? piece.id : undefined, name: call.name === undefined ? piece.name : undefined })
    call.id ??= piece.id
    call.name ??= piece.name
  }

  /** More of a call's arguments; of one that has not begun here, they are not for us. */
  toolArguments (place: unknown, args: unknown): void {
    if (said(args) && this.#calls.has(place)) this.toolCall(place, undefined, undefined, args)
  }

  /** Nothing more will be said: this is why. */
  stops (reason: FinishReason): void {
    // Some protocols know of no other reason where tools are called.
    this.#reason = reason === 'stop' && this.#called > 0 ? 'tool-calls' : reason
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
    // Where it was cut short, they may be missing.
    if (this.#reason === 'tool-calls') for (const index of this.#bare) this.#push({ type: 'tool-call', index, id: undefined, name: undefined, arguments: '{}' })
    this.#push({ type: 'finish', reason: this.#reason ?? 'other', usage })
  }

  /** Ends it where all was said. @returns whether it is over */
  endIfSaid (): boolean {
    if (!this.over && this.#reason !== undefined) this.end()
    return this.over
  }
}

/** Whether a piece is of another call in the same place: some have all calls in one. Some others give each piece an id. */
function begins ({ id, name }: Named, call: Named): boolean {
  return name !== undefined && id !== undefined && call.id !== undefined && id !== call.id
}

/** @throws ModelError bad_chunk for what is no text */
function said (text: unknown): text is string {
  if (text === null || text === undefined || text === '') return false
  if (typeof text !== 'string') throw new ModelError('bad_chunk')
  return true
}
