/** One piece of a model's answer. Text is never empty. */
export type ModelDelta =
  | { readonly type: 'text', readonly text: string }
  /** The model's reasoning, before or between parts of its answer. */
  | { readonly type: 'reasoning', readonly text: string }
  /** The model's explanation of why it refuses to answer. */
  | { readonly type: 'refusal', readonly text: string }
  | ToolCallDelta
  | FinishDelta

/**
 * A fragment of a tool call. `index` numbers the tool calls of an answer from 0; fragments with the same index belong to
 * the same call. `id` and `name` are set once each, on the first fragment that carries them. The concatenated `arguments`
 * of a call are JSON, unless the answer was cut short. Those of a custom tool are the text of its input, and may be empty.
 */
export interface ToolCallDelta {
  readonly type: 'tool-call'
  readonly index: number
  readonly id: string | undefined
  readonly name: string | undefined
  readonly arguments: string
}

/** The last delta of a complete answer. */
export interface FinishDelta {
  readonly type: 'finish'
  readonly reason: FinishReason
  /** Undefined if the model does not report its usage. */
  readonly usage: ModelUsage | undefined
}

/** Why the model stopped, named as in the AI SDK. `other` is also used if the model gives no reason. */
export type FinishReason = 'stop' | 'length' | 'tool-calls' | 'content-filter' | 'other'

/** Token counts as the model reports them. */
export interface ModelUsage {
  /** All input tokens, including cached ones. */
  readonly inputTokens: number
  readonly outputTokens: number
  readonly totalTokens: number
}
