import { errorFromAnswer, throwReportedError } from '../error-mapping.ts'
import type { FinishReason } from '../model-delta.ts'
import type { DeltaWriter } from './delta-writer.ts'
import { isFailure } from './finish-reason.ts'
import { asArray, asJsonText, parseObject } from './json-shape.ts'
import type { Protocol } from './protocol.ts'

interface Usage {
  readonly input_tokens?: unknown
  readonly cache_creation_input_tokens?: unknown
  readonly cache_read_input_tokens?: unknown
  readonly output_tokens?: unknown
}

interface ContentBlock {
  readonly type?: unknown
  readonly text?: unknown
  readonly thinking?: unknown
  readonly id?: unknown
  readonly name?: unknown
  readonly input?: unknown
}

interface BlockDelta {
  readonly type?: unknown
  readonly text?: unknown
  readonly thinking?: unknown
  readonly partial_json?: unknown
}

interface Message {
  readonly content?: string | ReadonlyArray<ContentBlock | null> | null
  readonly stop_reason?: unknown
  readonly usage?: Usage | null
}

interface Event {
  readonly type?: unknown
  readonly error?: unknown
  readonly index?: unknown
  readonly message?: Message | null
  readonly content_block?: ContentBlock | null
  readonly delta?: (BlockDelta & Pick<Message, 'stop_reason'>) | null
  readonly usage?: Usage | null
}

/** Includes reasons that proxies pass on from other protocols. */
const FINISH_REASONS = new Map<string, FinishReason>([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['stop', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['length', 'length'],
  ['tool_use', 'tool-calls'],
  ['tool_calls', 'tool-calls'],
  ['refusal', 'content-filter'],
  ['content_filter', 'content-filter'],
  ['content_filtered', 'content-filter'],
  ['guardrail_intervened', 'content-filter']
])

/**
 * Anthropic's Messages API.
 *
 * @see https://docs.anthropic.com/en/docs/build-with-claude/streaming
 */
export const anthropicMessages: Protocol = {
  path: '/messages',
  contentType: 'text/event-stream',
  limitsSpending: true,
  headers: { 'anthropic-version': '2023-06-01' },
  authHeaders: apiKey => ({ 'x-api-key': apiKey }),
  streamingBody: body => ({ ...body, stream: true }),
  readEvent: (data, writer) => {
    // Not part of the protocol, but some proxies send it as in Chat Completions.
    if (data === '[DONE]') return
    const event = parseObject<Event>(data)
    if (event.error) throwReportedError(event)
    switch (event.type) {
      case 'message_start': return writeMessage(event.message ?? {}, writer, false)
      case 'content_block_start': return writeBlock(event.index, event.content_block, writer, false)
      case 'content_block_delta': return writeBlockDelta(event.index, event.delta ?? {}, writer)
      case 'content_block_stop':
        writer.endToolCall(event.index)
        return writer.working()
      case 'message_delta':
        writeUsage(event.usage, writer)
        return writeStopReason(event.delta?.stop_reason, writer)
      case 'message_stop': return writer.complete()
      // `ping` and event types that are added later are ignored.
      default: if (mayReportError(event.type)) throwReportedError(event)
    }
  },
  readWholeAnswer: (data, writer) => {
    const message = parseObject<Message & Pick<Event, 'error'>>(data)
    if (message.error || message.content === undefined) throwReportedError(message)
    if (message.content !== null && typeof message.content !== 'string') asArray(message.content)
    writeMessage(message, writer, true)
    writer.complete()
  }
}

/** Whether an event that is not one of the protocol may be the error of a proxy. */
function mayReportError (type: unknown): boolean {
  return typeof type !== 'string' || /error|exception/i.test(type)
}

/** Writes a message, or the one that starts a streamed answer, which usually has no content yet. */
function writeMessage ({ content, stop_reason: reason, usage }: Message, writer: DeltaWriter, isWhole: boolean): void {
  if (typeof content === 'string') writer.text(content)
  else for (const [index, block] of asArray(content ?? []).entries()) writeBlock(index, block, writer, isWhole)
  writeUsage(usage, writer)
  writeStopReason(reason, writer)
}

/** @param isWhole whether no deltas follow, which replace a tool's input */
function writeBlock (index: unknown, block: ContentBlock | null | undefined, writer: DeltaWriter, isWhole: boolean): void {
  const { type, text, thinking, id, name, input } = block ?? {}
  if (type === 'text' || type === undefined) writer.text(text)
  else if (type === 'thinking') writer.reasoning(thinking)
  // Blocks of types that are added later are ignored, as are the tools that the server runs itself.
  else if (type === 'tool_use') writer.toolCall(index, id, name, isWhole ? input : undefined, { initialArguments: asJsonText(input) || undefined })
  // Reasoning may be hidden, arguments may arrive at once, and the server may run a tool.
  if (type !== 'text') writer.working()
}

function writeBlockDelta (index: unknown, { type, text, thinking, partial_json: json }: BlockDelta, writer: DeltaWriter): void {
  if (type === 'text_delta') writer.text(text)
  else if (type === 'thinking_delta') writer.reasoning(thinking)
  else if (type === 'input_json_delta') writer.toolArguments(index, json)
}

function writeUsage (usage: Usage | null | undefined, writer: DeltaWriter): void {
  writer.usage(usage?.input_tokens, usage?.output_tokens, usage?.cache_read_input_tokens, usage?.cache_creation_input_tokens)
}

function writeStopReason (reason: unknown, writer: DeltaWriter): void {
  if (typeof reason !== 'string' || reason === '' || reason === 'null') return
  if (isFailure(reason)) throw errorFromAnswer(reason)
  writer.finishReason(FINISH_REASONS.get(reason) ?? 'other')
}
