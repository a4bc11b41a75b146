import { errorFromAnswer } from '../error-mapping.ts'
import type { FinishReason } from '../model-delta.ts'
import { ModelError } from '../model-error.ts'
import type { DeltaWriter } from './delta-writer.ts'
import { asArray, asObject, parseObject } from './json-shape.ts'
import type { Protocol } from './protocol.ts'

interface ContentPart {
  readonly type?: string
  readonly text?: unknown
  readonly refusal?: unknown
}

interface OutputItem {
  readonly type?: string
  readonly call_id?: unknown
  readonly name?: unknown
  readonly arguments?: unknown
  readonly content?: readonly ContentPart[]
  readonly summary?: readonly ContentPart[]
}

interface Response {
  readonly status?: string
  readonly error?: unknown
  readonly incomplete_details?: { readonly reason?: string } | null
  readonly output?: readonly OutputItem[]
  readonly usage?: { readonly input_tokens?: unknown, readonly output_tokens?: unknown } | null
}

interface Event {
  readonly type?: string
  readonly error?: unknown
  readonly delta?: unknown
  readonly output_index?: unknown
  readonly item?: OutputItem
  readonly response?: Response
}

const INCOMPLETE_REASONS = new Map<string | undefined, FinishReason>([
  ['max_output_tokens', 'length'],
  ['content_filter', 'content-filter']
])

const UNFINISHED_STATUSES = new Set<string | undefined>(['queued', 'in_progress', 'cancelled'])

/**
 * OpenAI's Responses.
 *
 * @see https://platform.openai.com/docs/api-reference/responses-streaming
 */
export const openaiResponses: Protocol = {
  path: '/responses',
  contentType: 'text/event-stream',
  authHeaders: apiKey => ({ authorization: `Bearer ${apiKey}` }),
  streamingBody: body => ({ ...body, stream: true }),
  readEvent: (data, writer) => {
    // Not part of the protocol, but some servers send it as in Chat Completions.
    if (data === '[DONE]') return
    const event = parseObject<Event>(data)
    if (event.error) throw errorFromAnswer(event.error)
    if (announcesWork(event)) writer.working()
    switch (event.type) {
      case 'response.output_text.delta': return writer.text(event.delta)
      case 'response.refusal.delta': return writer.refusal(event.delta)
      case 'response.reasoning_text.delta':
      case 'response.reasoning_summary_text.delta': return writer.reasoning(event.delta)
      case 'response.output_item.added':
        if (event.item?.type === 'function_call') writer.toolCall(event.output_index, event.item.call_id, event.item.name, event.item.arguments)
        return
      case 'response.function_call_arguments.delta': return writer.toolArguments(event.output_index, event.delta)
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed': return writeEnd({ ...event.response, status: event.type.slice('response.'.length) }, writer)
      case 'error': throw errorFromAnswer(event)
      // All other event types are ignored.
    }
  },
  readWholeAnswer: (data, writer) => {
    const response = parseObject<Response>(data)
    if (response.error) throw errorFromAnswer(response.error)
    asArray(response.output)
    writeEnd(response, writer)
  }
}

/** Whether the model may be silent for minutes after an event: reasoning may be hidden, and the server may run a tool. */
function announcesWork ({ type, item }: Event): boolean {
  if (typeof type !== 'string' || !type.startsWith('response.') || type.endsWith('.delta')) return false
  return type !== 'response.content_part.added' && !(type === 'response.output_item.added' && item?.type === 'message')
}

function writeEnd ({ status, error, output, incomplete_details: details, usage }: Response, writer: DeltaWriter): void {
  if (error || status === 'failed') throw errorFromAnswer(error)
  if (UNFINISHED_STATUSES.has(status)) throw new ModelError('truncated')
  // The response was not streamed, or the server streams only its last event.
  if (writer.empty) for (const item of asArray(output ?? [])) writeItem(asObject(item), writer)
  if (usage) writer.usage(usage.input_tokens, usage.output_tokens)
  writer.finishReason(status === 'completed' ? 'stop' : INCOMPLETE_REASONS.get(details?.reason) ?? 'other')
  writer.end()
}

function writeItem (item: OutputItem, writer: DeltaWriter): void {
  for (const part of asArray(item.summary ?? [])) writer.reasoning(asObject(part).text)
  for (const part of asArray(item.content ?? [])) {
    const { type, text, refusal } = asObject(part)
    if (type === 'reasoning_text') writer.reasoning(text)
    else writer.text(text)
    writer.refusal(refusal)
  }
  if (item.type === 'function_call') writer.toolCall(item, item.call_id, item.name, item.arguments)
}
