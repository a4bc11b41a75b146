import { errorFromAnswer, throwReportedError } from '../error-mapping.ts'
import type { FinishReason } from '../model-delta.ts'
import type { DeltaWriter, Final, TextKind } from './delta-writer.ts'
import { isFailure } from './finish-reason.ts'
import { asArray, asList, asObject, isObject, parseObject } from './json-shape.ts'
import type { Protocol } from './protocol.ts'

interface Call {
  readonly name?: unknown
  readonly arguments?: unknown
  /** The input of a custom tool, which is text. */
  readonly input?: unknown
}

interface ToolCall {
  readonly index?: unknown
  readonly id?: unknown
  readonly function?: Call | null
  readonly custom?: Call | null
}

/** One part of a content list, as Mistral sends them. */
interface ContentPart {
  readonly text?: unknown
  /** Sent by reasoning models: text, or a list of parts. */
  readonly thinking?: unknown
  readonly refusal?: unknown
}

interface Message {
  /** A string, or a list of parts from Mistral's reasoning models. */
  readonly content?: unknown
  /** An extension of DeepSeek, llama.cpp, vLLM and others. */
  readonly reasoning_content?: unknown
  readonly reasoning?: unknown
  readonly refusal?: unknown
  readonly tool_calls?: unknown
  /** The predecessor of `tool_calls`. */
  readonly function_call?: Call | null
}

interface Usage {
  readonly prompt_tokens?: unknown
  readonly completion_tokens?: unknown
}

interface Choice {
  readonly index?: unknown
  readonly delta?: Message | null
  /** The whole answer: not streamed, or sent again at the end of the stream. */
  readonly message?: Message | null
  readonly finish_reason?: unknown
  readonly error?: unknown
  readonly usage?: Usage | null
}

interface Chunk {
  readonly error?: unknown
  readonly base_resp?: unknown
  readonly choices?: ReadonlyArray<Choice | null> | null
  readonly usage?: Usage | null
  readonly x_groq?: { readonly error?: unknown, readonly usage?: Usage | null } | null
}

/** In lower case. Includes reasons that proxies pass on from other protocols. */
const FINISH_REASONS = new Map<string, FinishReason>([
  ['stop', 'stop'],
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['eos', 'stop'],
  ['eos_token', 'stop'],
  ['length', 'length'],
  ['model_length', 'length'],
  ['max_tokens', 'length'],
  ['max_output_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_calls', 'tool-calls'],
  ['tool_call', 'tool-calls'],
  ['tool_use', 'tool-calls'],
  ['function_call', 'tool-calls'],
  ['content_filter', 'content-filter'],
  ['content_filtered', 'content-filter'],
  ['guardrail_intervened', 'content-filter'],
  ['prohibited_content', 'content-filter'],
  ['recitation', 'content-filter'],
  ['refusal', 'content-filter'],
  ['safety', 'content-filter'],
  ['sensitive', 'content-filter']
])

/** Indexes of the first choice, which some servers omit. */
const FIRST = new Set<unknown>([0, '0', null, undefined])
/** An absent reason as some servers send it. */
const NO_REASON = /^(?:null|none|undefined)?$/

/**
 * OpenAI's Chat Completions, which many other servers implement.
 *
 * @see https://platform.openai.com/docs/api-reference/chat-streaming
 */
export const openaiChatCompletions: Protocol = {
  path: '/chat/completions',
  contentType: 'text/event-stream',
  sendsWholeToolCalls: true,
  authHeaders: apiKey => ({ authorization: `Bearer ${apiKey}` }),
  streamingBody: body => {
    const { stream_options: options, ...fields } = body as { stream_options?: object | null }
    return { ...fields, stream: true, ...options === null ? {} : { stream_options: { include_usage: true, ...options } } }
  },
  readEvent: (data, writer) => {
    if (data.trim() === '[DONE]') writer.complete()
    else writeChunk(parseObject<Chunk>(data), writer)
  },
  readWholeAnswer: (data, writer) => {
    const chunk = parseObject<Chunk>(data)
    writeChunk(chunk, writer)
    asObject(firstChoice(chunk)?.message)
    writer.complete()
  }
}

/** A request with `n` gets further choices, which deltas cannot express. */
function firstChoice ({ choices }: Chunk): Choice | undefined {
  return asArray(choices ?? []).find(choice => isObject(choice) && FIRST.has(choice.index)) ?? undefined
}

function writeChunk (chunk: Chunk, writer: DeltaWriter): void {
  if (!Array.isArray(chunk.choices) || chunk.choices.length === 0 || chunk.error || chunk.base_resp) throwReportedError(chunk)
  const choice = firstChoice(chunk)
  const usage = chunk.usage ?? choice?.usage ?? chunk.x_groq?.usage
  if (usage) writer.usage(usage.prompt_tokens, usage.completion_tokens)
  if (choice === undefined) return
  if (choice.error) throwReportedError(choice)
  const { delta, message, finish_reason: reason } = choice
  if (delta) writeDelta(delta, writer)
  if (message && (!delta || reason)) writer.snapshot(textsOf(message))
  if (typeof reason === 'string') writeFinishReason(reason, writer)
  // Groq's reason why it has stopped early.
  else if (chunk.x_groq?.error) throwReportedError({ error: chunk.x_groq.error })
}

function writeFinishReason (text: string, writer: DeltaWriter): void {
  const reason = FINISH_REASONS.get(text)
  if (reason !== undefined) return writer.finishReason(reason)
  const word = text.trim().toLowerCase()
  if (NO_REASON.test(word)) return
  if (isFailure(word)) throw errorFromAnswer(word)
  writer.finishReason(FINISH_REASONS.get(word) ?? 'other')
}

function writeDelta (delta: Message, writer: DeltaWriter): void {
  // Some servers send both fields, of which one is empty.
  writer.reasoning(delta.reasoning_content || delta.reasoning)
  if (hasParts(delta.content)) for (const { kind, value } of contentParts(delta.content)) writer[kind](value)
  else writer.text(delta.content)
  writer.refusal(delta.refusal)
  if (delta.tool_calls) writeToolCalls(asList<ToolCall>(delta.tool_calls), writer)
  else if (delta.function_call) writer.toolCall('function_call', undefined, delta.function_call.name, delta.function_call.arguments)
}

function writeToolCalls (toolCalls: readonly ToolCall[], writer: DeltaWriter): void {
  for (const [position, { index, id, function: call, custom }] of toolCalls.entries()) {
    const key = index ?? position
    const isRepeatedKey = position > 0 && toolCalls.slice(0, position).some((other, otherPosition) => (other.index ?? otherPosition) === key)
    if (isObject(custom)) writer.toolCall(key, id, custom.name, custom.input, { isText: true, isRepeatedKey })
    // Bedrock begins a call with `{}`, before its arguments.
    else writer.toolCall(key, id, call?.name, call?.arguments, isRepeatedKey || call?.arguments === '{}' ? { isRepeatedKey, isProvisional: true } : undefined)
  }
}

/** An object of another shape is malformed, because it may be content that would be lost. */
function hasParts (content: unknown): content is object {
  return Array.isArray(content) || (isObject(content) && 'text' in content)
}

/** Parts of other kinds, such as references, are ignored. */
function contentParts (content: object): Array<{ kind: TextKind, value: unknown }> {
  return asList<ContentPart | string>(content).flatMap(part => {
    if (!isObject(part)) return { kind: 'text', value: part }
    const thinking = isObject(part.thinking) ? asList<ContentPart | string>(part.thinking).map(item => isObject(item) ? item.text : item) : [part.thinking]
    return [...thinking.map(value => ({ kind: 'reasoning' as const, value })), { kind: 'text', value: part.text }, { kind: 'refusal', value: part.refusal }]
  })
}

function textsOf (message: Message): Final[] {
  const { content, function_call: legacy } = message
  const calls = asList<ToolCall>(message.tool_calls).map(({ index, id, function: call, custom }, position): Final => {
    const isText = isObject(custom)
    return { kind: 'tool-call', items: [index ?? position], id, name: isText ? custom.name : call?.name, value: isText ? custom.input : call?.arguments, isText }
  })
  if (calls.length === 0 && legacy) calls.push({ kind: 'tool-call', items: ['function_call'], name: legacy.name, value: legacy.arguments })
  return [
    { kind: 'reasoning', value: message.reasoning_content || message.reasoning },
    ...hasParts(content) ? contentParts(content) : [{ kind: 'text' as const, value: content }],
    { kind: 'refusal', value: message.refusal },
    ...calls
  ]
}
