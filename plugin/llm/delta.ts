/** A piece of what a model says. Pieces of text are never empty. */
export type ModelDelta =
  | { readonly type: 'text', readonly text: string }
  /** What it thinks before it answers. */
  | { readonly type: 'reasoning', readonly text: string }
  /** What it says where it refuses to answer. */
  | { readonly type: 'refusal', readonly text: string }
  | ToolCallDelta
  | FinishDelta

/**
 * A piece of a call of a tool. `index` counts the calls of an answer from 0 and joins the pieces of one; `id` and `name`
 * come once, with the first that has them; the `arguments` of all, joined, are JSON, unless the answer was cut short.
 */
export interface ToolCallDelta {
  readonly type: 'tool-call'
  readonly index: number
  readonly id: string | undefined
  readonly name: string | undefined
  readonly arguments: string
}

/** The last of an answer that is whole. */
export interface FinishDelta {
  readonly type: 'finish'
  readonly reason: FinishReason
  /** Undefined where the model does not say. */
  readonly usage: ModelUsage | undefined
}

/** Why a model has stopped, in the words of the AI SDK. `other` also where it does not say. */
export type FinishReason = 'stop' | 'length' | 'tool-calls' | 'content-filter' | 'other'

/** In tokens, as the model counts them. */
export interface ModelUsage {
  /** All that was read, with what came from a cache. */
  readonly inputTokens: number
  readonly outputTokens: number
  readonly totalTokens: number
}
