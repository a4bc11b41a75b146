import type { FinishReason, ModelDelta, ModelUsage } from '../model-delta.ts'
import { ModelError } from '../model-error.ts'
import { matchFinalValues, type AnswerPart, type FinalValue, type Match } from './answer-part.ts'
import { asJsonText, asText } from './json-shape.ts'
import { TextParts } from './text-parts.ts'
import { ToolCalls, type ToolCallOptions } from './tool-calls.ts'

/** What data from the model contained: a delta, the start of work during which the model sends nothing, or a finish reason. */
export type Progress = 'none' | 'delta' | 'work' | 'finish'

/** The kinds of text in an answer. A summary is written as reasoning, but has positions of its own. */
export type TextKind = 'text' | 'reasoning' | 'summary' | 'refusal'

interface AnswerValue extends FinalValue, Pick<Final, 'kind' | 'isText'> {
  text: string
}

const TEXT_KINDS = ['reasoning', 'summary', 'text', 'refusal'] as const
const ANSWER_KINDS = [...TEXT_KINDS, 'tool-call'] as const

/** A final value as the server sends it. */
export interface Final extends Pick<ToolCallOptions, 'isText'> {
  readonly kind: TextKind | 'tool-call'
  readonly value: unknown
  /** The keys by which deltas may have named the item: its position, its id, the key of the tool call. */
  readonly items?: readonly unknown[]
  /** The position of the part in its item. */
  readonly position?: unknown
  readonly id?: unknown
  readonly name?: unknown
}

/**
 * Writes what a protocol reads as deltas, the same for all protocols. Ignores null, undefined and empty texts. A character
 * that a server splits between two texts is joined.
 */
export class DeltaWriter {
  readonly #push: (delta: ModelDelta) => void
  readonly #parts: Readonly<Record<TextKind, TextParts> & { 'tool-call': ToolCalls }>
  #pass = 0
  #finishReason: FinishReason | undefined
  /** Whether nothing was written after the finish reason. */
  #isReasonLast = false
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
      this.#isReasonLast = false
      push(delta)
    }
    this.#parts = {
      text: new TextParts('text', this.#push),
      reasoning: new TextParts('reasoning', this.#push),
      summary: new TextParts('reasoning', this.#push),
      refusal: new TextParts('refusal', this.#push),
      'tool-call': new ToolCalls(this.#push)
    }
  }

  /**
   * @param item identifies the item of the answer that the text belongs to, if it may have final values
   * @param position the position of the text in its item
   */
  text (text: unknown, item?: unknown, position?: unknown): void {
    this.#parts.text.write(asText(text), item, position)
  }

  reasoning (text: unknown, item?: unknown, position?: unknown): void {
    this.#parts.reasoning.write(asText(text), item, position)
  }

  /** Written as reasoning, but its positions are numbered separately. */
  summary (text: unknown, item?: unknown, position?: unknown): void {
    this.#parts.summary.write(asText(text), item, position)
  }

  refusal (text: unknown, item?: unknown, position?: unknown): void {
    this.#parts.refusal.write(asText(text), item, position)
  }

  /** @param key identifies the call; the same for all of its fragments */
  toolCall (key: unknown, id: unknown, name: unknown, args: unknown, options?: ToolCallOptions): void {
    this.#parts['tool-call'].write({ ...options, key, id: textOrUndefined(id), name: textOrUndefined(name), text: asJsonText(args) })
  }

  /** Whether a tool call with this key was started. */
  hasToolCall (key: unknown): boolean {
    return this.#parts['tool-call'].has(key)
  }

  /** Ignored if the call was not started: its arguments are for a tool that the server runs itself. */
  toolArguments (key: unknown, args: unknown): void {
    const text = asJsonText(args)
    if (text !== '' && this.hasToolCall(key)) this.#parts['tool-call'].write({ key, id: undefined, name: undefined, text })
  }

  /** No fragment of a call's arguments follows. */
  endToolCall (key: unknown): void {
    this.#parts['tool-call'].end(key)
  }

  /**
   * Writes what final values contain beyond what was streamed. A value that contradicts the streamed text is ignored.
   *
   * @param finals in the order of the answer
   * @param pass higher for the values of an item than for those of its parts, and highest for those of the answer
   * @param isWholeAnswer whether these are all values of the answer
   */
  finals (finals: readonly Final[], pass: number, isWholeAnswer: boolean): void {
    const values = finals.map(valueOf)
    const matches = new Map(ANSWER_KINDS.flatMap(kind => [...this.#match(kind, values, pass, isWholeAnswer)]))
    this.#writeFinals(values, matches, pass)
  }

  /**
   * Writes what a message with the whole answer so far contains beyond what was written before.
   *
   * @param finals in the order of the answer
   */
  snapshot (finals: readonly Final[]): void {
    const values = finals.map(valueOf)
    for (const kind of TEXT_KINDS) this.#parts[kind].omitWritten(values.filter(value => value.kind === kind))
    this.#pass++
    this.#writeFinals(values, this.#match('tool-call', values, this.#pass, true), this.#pass)
  }

  /** The model reasons, or runs a tool, and may send nothing for minutes. */
  working (): void {
    this.progress = 'work'
  }

  finishReason (reason: FinishReason): void {
    this.progress = 'finish'
    this.#finishReason = reason
    this.#isReasonLast = true
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
    for (const kind of TEXT_KINDS) this.#parts[kind].end()
    const calls = this.#parts['tool-call']
    // Some protocols report `stop` even if the model calls tools.
    const reason = this.#finishReason === 'stop' && calls.parts.length > 0 ? 'tool-calls' : this.#finishReason ?? 'other'
    // With any other reason the answer was cut short, and the arguments may be missing.
    calls.endAll(reason === 'tool-calls')
    this.#push({ type: 'finish', reason, usage: this.#totalUsage() })
  }

  /**
   * Ends the answer if the model has given its finish reason, and nothing after it: a server that gives one too early may
   * have been cut off.
   *
   * @returns whether the answer has ended
   */
  endIfFinished (): boolean {
    if (!this.ended && this.#isReasonLast) this.end()
    return this.ended
  }

  /**
   * Ends an answer whose end the protocol marks.
   *
   * @throws ModelError truncated if it is empty and has no finish reason: some servers also mark the end of a failure
   */
  complete (): void {
    if (this.endIfFinished()) return
    if (this.empty) throw new ModelError('truncated')
    this.end()
  }

  #match (kind: Final['kind'], values: readonly AnswerValue[], pass: number, isWholeAnswer: boolean): Map<FinalValue, Match<AnswerPart>> {
    const ofKind = values.filter(value => value.kind === kind && (kind === 'tool-call' || value.text !== ''))
    return matchFinalValues<AnswerPart>(this.#parts[kind].parts, ofKind, pass, isWholeAnswer)
  }

  #writeFinals (values: readonly AnswerValue[], matches: ReadonlyMap<FinalValue, Match<AnswerPart>>, pass: number): void {
    for (const value of values) {
      if (value.kind === 'tool-call' || value.text !== '') this.#parts[value.kind].writeFinal(value, matches.get(value), pass)
    }
  }

  #totalUsage (): ModelUsage | undefined {
    if (this.#inputTokens === undefined || this.#outputTokens === undefined) return undefined
    const inputTokens = this.#inputTokens + (this.#cacheReads ?? 0) + (this.#cacheWrites ?? 0)
    return { inputTokens, outputTokens: this.#outputTokens, totalTokens: inputTokens + this.#outputTokens }
  }
}

function valueOf ({ kind, value, items = [], position, id, name, isText }: Final): AnswerValue {
  return { kind, text: kind === 'tool-call' ? asJsonText(value) : asText(value), items, position, id: textOrUndefined(id), name: textOrUndefined(name), isText }
}

function textOrUndefined (value: unknown): string | undefined {
  return asText(value) || undefined
}

/** A later count that is missing or 0 does not replace an earlier one. */
function latestCount (count: unknown, previous: number | undefined): number | undefined {
  return typeof count === 'number' && (count > 0 || previous === undefined) ? count : previous
}
