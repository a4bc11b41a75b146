import type { Answer } from './answer.ts'
import type { FinishReason } from './delta.ts'
import { ModelError } from './errors.ts'
import { parseObject, type Protocol } from './protocol.ts'
import { failure } from './refusal.ts'

interface Usage {
  readonly input_tokens?: number | null
  readonly cache_creation_input_tokens?: number | null
  readonly cache_read_input_tokens?: number | null
  readonly output_tokens?: number | null
}

interface Block {
  readonly type?: string
  readonly text?: unknown
  readonly thinking?: unknown
  readonly id?: unknown
  readonly name?: unknown
  readonly input?: unknown
  readonly partial_json?: unknown
}

interface Message {
  readonly content?: readonly Block[]
  readonly stop_reason?: string | null
  readonly usage?: Usage
}

interface Event {
  readonly type?: string
  readonly error?: unknown
  readonly index?: unknown
  readonly message?: Message
  readonly content_block?: Block
  readonly delta?: Block & Pick<Message, 'stop_reason'>
  readonly usage?: Usage
}

const REASONS = new Map<string, FinishReason>([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool-calls'],
  ['refusal', 'content-filter']
])

/**
 * Anthropic's Messages.
 *
 * @see https://docs.anthropic.com/en/docs/build-with-claude/streaming
 */
export const messages: Protocol = {
  path: '/messages',
  type: 'text/event-stream',
  capsSpending: true,
  headers: { 'anthropic-version': '2023-06-01' },
  credentials: apiKey => ({ 'x-api-key': apiKey }),
  streaming: body => ({ ...body, stream: true }),
  read: (data, answer) => {
    const event = parseObject<Event>(data)
    if (event.error) throw failure(event.error)
    switch (event.type) {
      case 'message_start': return uses(event.message!.usage, answer)
      case 'content_block_start': return begin(event.index, event.content_block!, answer)
      case 'content_block_delta': return go(event.index, event.delta!, answer)
      case 'message_delta':
        uses(event.usage, answer)
        return stops(event.delta!.stop_reason, answer)
      case 'message_stop': return answer.end()
      case 'error': throw failure(event)
      // `ping`, and whatever is to come.
    }
  },
  readWhole: (data, answer) => {
    const message = parseObject<Message & { readonly error?: unknown }>(data)
    if (message.error) throw failure(message.error)
    if (message.content === undefined) throw new ModelError('bad_chunk')
    for (const [index, block] of message.content.entries()) begin(index, { ...block, partial_json: JSON.stringify(block.input) }, answer)
    uses(message.usage, answer)
    stops(message.stop_reason, answer)
    answer.end()
  }
}

function begin (index: unknown, { type, text, thinking, id, name, partial_json: json }: Block, answer: Answer): void {
  answer.reasoning(thinking)
  answer.text(text)
  if (type === 'tool_use') answer.toolCall(index, id, name, json)
}

function go (index: unknown, { type, text, thinking, partial_json: json }: Block, answer: Answer): void {
  if (type === 'text_delta') answer.text(text)
  else if (type === 'thinking_delta') answer.reasoning(thinking)
  else if (type === 'input_json_delta') answer.toolArguments(index, json)
}

function uses (usage: Usage | undefined, answer: Answer): void {
  const { input_tokens: input, cache_creation_input_tokens: written, cache_read_input_tokens: read, output_tokens: output } = usage ?? {}
  // What comes from the cache, or goes there, is not part of the first.
  answer.uses(typeof input === 'number' ? input + (written ?? 0) + (read ?? 0) : undefined, output)
}

function stops (reason: string | null | undefined, answer: Answer): void {
  if (reason) answer.stops(REASONS.get(reason) ?? 'other')
}
