import type { FinishReason, ModelDelta, ModelUsage } from '../model-delta.ts'
import { isNonEmpty } from './json-shape.ts'

interface ToolIdentity {
  id: string | undefined
  name: string | undefined
}

interface ToolCall extends ToolIdentity {
  readonly index: number
}

const NO_ARGUMENTS = '{}'

/** What data from the model contained: a delta, the start of work during which the model sends nothing, or a finish reason. */
export type Progress = 'none' | 'delta' | 'work' | 'finish'

/** Writes what a protocol reads as deltas, the same for all protocols. Ignores null, undefined and empty strings. */
export class DeltaWriter {
  readonly #push: (delta: ModelDelta) => void
  /** By the protocol's own key for a call. */
  readonly #toolCalls = new Map<unknown, ToolCall>()
  #toolCallCount = 0
  /** By index: what a call's arguments are if no fragment of them is written. */
  readonly #callsWithoutArguments = new Map<number, string>()
  #finishReason: FinishReason | undefined
  #inputTokens: number | undefined
  #outputTokens: number | undefined
  #cacheReads: number | undefined
  #cacheWrites: number | undefined
  /** Whether no delta was written yet. */
  empty = true
  /** Whether the finish delta was written. */
  ended = false
  /** What the data read last contained. The reader of the data resets it. */
  progress: Progress = 'none'

  constructor (push: (delta: ModelDelta) => void) {
    this.#push = delta => {
      this.empty = false
      this.progress = 'delta'
      push(delta)
    }
  }

  text (text: unknown): void {
    if (isNonEmpty(text)) this.#push({ type: 'text', text })
  }

  reasoning (text: unknown): void {
    if (isNonEmpty(text)) this.#push({ type: 'reasoning', text })
  }

  refusal (text: unknown): void {
    if (isNonEmpty(text)) this.#push({ type: 'refusal', text })
  }

  /**
   * @param key identifies the call; the same for all of its fragments
   * @param initialArguments what the arguments are if no fragment of them follows
   */
  toolCall (key: unknown, id: unknown, name: unknown, args: unknown, initialArguments: string = NO_ARGUMENTS): void {
    const fragment = { id: isNonEmpty(id) ? id : undefined, name: isNonEmpty(name) ? name : undefined, arguments: isNonEmpty(args) ? args : '' }
    let call = this.#toolCalls.get(key)
    if (call === undefined || startsAnotherCall(fragment, call)) {
      call = { index: this.#toolCallCount++, id: undefined, name: undefined }
      this.#toolCalls.set(key, call)
      this.#callsWithoutArguments.set(call.index, initialArguments)
    }
    const { index } = call
    if (fragment.arguments !== '') this.#callsWithoutArguments.delete(index)
    // Some servers repeat the id and the name with every fragment.
    this.#push({ type: 'tool-call', index, ...fragment, id: call.id === undefined ? fragment.id : undefined, name: call.name === undefined ? fragment.name : undefined })
    call.id ??= fragment.id
    call.name ??= fragment.name
  }

  /** Ignored if the call was not started: its arguments are for a tool that the server runs itself. */
  toolArguments (key: unknown, args: unknown): void {
    if (isNonEmpty(args) && this.#toolCalls.has(key)) this.toolCall(key, undefined, undefined, args)
  }

  /** No fragment of a call's arguments follows. A call without any is decided by the finish reason: it may be cut short. */
  endToolCall (key: unknown): void {
    const args = this.#callsWithoutArguments.get(this.#toolCalls.get(key)?.index ?? -1)
    if (args !== undefined && args !== NO_ARGUMENTS) this.toolArguments(key, args)
  }

  /** The model reasons, or runs a tool, and may send nothing for minutes. */
  working (): void {
    this.progress = 'work'
  }

  finishReason (reason: FinishReason): void {
    this.progress = 'finish'
    // Some protocols report `stop` even if the model calls tools.
    this.#finishReason = reason === 'stop' && this.#toolCallCount > 0 ? 'tool-calls' : reason
  }

  /**
   * Token counts so far, each of which may be missing.
   *
   * @param cacheReads tokens read from a cache, if `inputTokens` does not include them
   * @param cacheWrites tokens written to a cache, if `inputTokens` does not include them
   */
  usage (inputTokens: unknown, outputTokens: unknown, cacheReads?: unknown, cacheWrites?: unknown): void {
    this.#inputTokens = latestCount(inputTokens, this.#inputTokens)
    this.#outputTokens = latestCount(outputTokens, this.#outputTokens)
    this.#cacheReads = latestCount(cacheReads, this.#cacheReads)
    this.#cacheWrites = latestCount(cacheWrites, this.#cacheWrites)
  }

  /** Writes the finish delta. */
  end (): void {
    this.ended = true
    // With any other reason the answer was cut short, and the arguments may be missing.
    if (this.#finishReason === 'tool-calls') for (const [index, args] of this.#callsWithoutArguments) this.#push({ type: 'tool-call', index, id: undefined, name: undefined, arguments: args })
    this.#push({ type: 'finish', reason: this.#finishReason ?? 'other', usage: this.#totalUsage() })
  }

  /** Ends the answer if the model has given its finish reason. @returns whether the answer has ended */
  endIfFinished (): boolean {
    if (!this.ended && this.#finishReason !== undefined) this.end()
    return this.ended
  }

  #totalUsage (): ModelUsage | undefined {
    if (this.#inputTokens === undefined || this.#outputTokens === undefined) return undefined
    const inputTokens = this.#inputTokens + (this.#cacheReads ?? 0) + (this.#cacheWrites ?? 0)
    return { inputTokens, outputTokens: this.#outputTokens, totalTokens: inputTokens + this.#outputTokens }
  }
}

/** A server that omits a count later, or reports 0, does not take the earlier one back. */
function latestCount (count: unknown, previous: number | undefined): number | undefined {
  return typeof count === 'number' && (count > 0 || previous === undefined) ? count : previous
}

/** Whether a fragment belongs to a new call although its key is known. Some servers use one key for all calls; others give every fragment an id. */
function startsAnotherCall ({ id, name }: ToolIdentity, call: ToolIdentity): boolean {
  return name !== undefined && id !== undefined && call.id !== undefined && id !== call.id
}
