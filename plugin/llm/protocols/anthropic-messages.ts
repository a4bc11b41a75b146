import { errorFromAnswer } from '../error-mapping.ts'
import type { FinishReason } from '../model-delta.ts'
import type { DeltaWriter } from './delta-writer.ts'
import { asArray, asObject, parseObject } from './json-shape.ts'
import type { Protocol } from './protocol.ts'

interface Usage {
  readonly input_tokens?: unknown
  readonly cache_creation_input_tokens?: unknown
  readonly cache_read_input_tokens?: unknown
  readonly output_tokens?: unknown
}

interface ContentBlock {
  readonly type?: string
  readonly text?: unknown
  readonly thinking?: unknown
  readonly id?: unknown
  readonly name?: unknown
  readonly input?: unknown
  readonly partial_json?: unknown
}

interface Message {
  readonly content?: readonly ContentBlock[]
  readonly stop_reason?: string | null
  readonly usage?: Usage
}

interface Event {
  readonly type?: string
  readonly error?: unknown
  readonly index?: unknown
  readonly message?: Message
  readonly content_block?: ContentBlock
  readonly delta?: ContentBlock & Pick<Message, 'stop_reason'>
  readonly usage?: Usage
}

const FINISH_REASONS = new Map<string, FinishReason>([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool-calls'],
  ['refusal', 'content-filter']
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
    const event = parseObject<Event>(data)
    if (event.error) throw errorFromAnswer(event.error)
    switch (event.type) {
      case 'message_start': return writeUsage(asObject(event.message).usage, writer)
      case 'content_block_start': return writeBlockStart(event.index, asObject(event.content_block), writer)
      case 'content_block_stop': return writer.working()
      case 'content_block_delta': return writeBlockDelta(event.index, asObject(event.delta), writer)
      case 'message_delta':
        writeUsage(event.usage, writer)
        return writeStopReason(asObject(event.delta).stop_reason, writer)
      case 'message_stop': return writer.end()
      case 'error': throw errorFromAnswer(event)
      // `ping` and all other event types are ignored.
    }
  },
  readWholeAnswer: (data, writer) => {
    const message = parseObject<Message & { readonly error?: unknown }>(data)
    if (message.error) throw errorFromAnswer(message.error)
    for (const [index, block] of asArray(message.content).entries()) writeBlockStart(index, { ...block, partial_json: JSON.stringify(asObject(block).input) }, writer)
    writeUsage(message.usage, writer)
    writeStopReason(message.stop_reason, writer)
    writer.end()
  }
}

function writeBlockStart (index: unknown, { type, text, thinking, id, name, partial_json: json }: ContentBlock, writer: DeltaWriter): void {
  writer.reasoning(thinking)
  writer.text(text)
  if (type === 'tool_use') writer.toolCall(index, id, name, json)
  // Reasoning may be hidden, arguments may arrive at once, and the server may run a tool.
  if (type !== 'text') writer.working()
}

function writeBlockDelta (index: unknown, { type, text, thinking, partial_json: json }: ContentBlock, writer: DeltaWriter): void {
  if (type === 'text_delta') writer.text(text)
  else if (type === 'thinking_delta') writer.reasoning(thinking)
  else if (type === 'input_json_delta') writer.toolArguments(index, json)
}

function writeUsage (usage: Usage | null | undefined, writer: DeltaWriter): void {
  writer.usage(usage?.input_tokens, usage?.output_tokens, usage?.cache_read_input_tokens, usage?.cache_creation_input_tokens)
}

function writeStopReason (reason: string | null | undefined, writer: DeltaWriter): void {
  if (reason) writer.finishReason(FINISH_REASONS.get(reason) ?? 'other')
}
