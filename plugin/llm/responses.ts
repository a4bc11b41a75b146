import type { Answer } from './answer.ts'
import type { FinishReason } from './delta.ts'
import { ModelError } from './errors.ts'
import { parseObject, type Protocol } from './protocol.ts'
import { failure } from './refusal.ts'

interface Text {
  readonly type?: string
  readonly text?: unknown
  readonly refusal?: unknown
}

interface Item {
  readonly type?: string
  readonly call_id?: unknown
  readonly name?: unknown
  readonly arguments?: unknown
  readonly content?: readonly Text[]
  readonly summary?: readonly Text[]
}

interface Response {
  readonly status?: string
  readonly error?: unknown
  readonly incomplete_details?: { readonly reason?: string } | null
  readonly output?: readonly Item[]
  readonly usage?: { readonly input_tokens?: unknown, readonly output_tokens?: unknown } | null
}

interface Event {
  readonly type?: string
  readonly error?: unknown
  readonly delta?: unknown
  readonly output_index?: unknown
  readonly item?: Item
  readonly response?: Response
}

const INCOMPLETE = new Map<string | undefined, FinishReason>([
  ['max_output_tokens', 'length'],
  ['content_filter', 'content-filter']
])

const UNFINISHED = new Set<string | undefined>(['queued', 'in_progress', 'cancelled'])

/**
 * OpenAI's Responses.
 *
 * @see https://platform.openai.com/docs/api-reference/responses-streaming
 */
export const responses: Protocol = {
  path: '/responses',
  type: 'text/event-stream',
  credentials: apiKey => ({ authorization: `Bearer ${apiKey}` }),
  streaming: body => ({ ...body, stream: true }),
  read: (data, answer) => {
    // Not in the protocol, but some end with it as they do in the other one.
    if (data === '[DONE]') return
    const event = parseObject<Event>(data)
    if (event.error) throw failure(event.error)
    switch (event.type) {
      case 'response.output_text.delta': return answer.text(event.delta)
      case 'response.refusal.delta': return answer.refusal(event.delta)
      case 'response.reasoning_text.delta':
      case 'response.reasoning_summary_text.delta': return answer.reasoning(event.delta)
      case 'response.output_item.added':
        if (event.item?.type === 'function_call') answer.toolCall(event.output_index, event.item.call_id, event.item.name, event.item.arguments)
        return
      case 'response.function_call_arguments.delta': return answer.toolArguments(event.output_index, event.delta)
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed': return conclude({ ...event.response, status: event.type.slice('response.'.length) }, answer)
      case 'error': throw failure(event)
      // There are dozens of others, and there will be more.
    }
  },
  readWhole: (data, answer) => {
    const response = parseObject<Response>(data)
    if (response.error) throw failure(response.error)
    if (response.output === undefined) throw new ModelError('bad_chunk')
    conclude(response, answer)
  }
}

function conclude ({ status, error, output, incomplete_details: details, usage }: Response, answer: Answer): void {
  if (error || status === 'failed') throw failure(error)
  if (UNFINISHED.has(status)) throw new ModelError('truncated')
  // Not streamed, or by a server that streams no more than the end.
  if (answer.silent) for (const item of output ?? []) takeItem(item, answer)
  if (usage) answer.uses(usage.input_tokens, usage.output_tokens)
  answer.stops(status === 'completed' ? 'stop' : INCOMPLETE.get(details?.reason) ?? 'other')
  answer.end()
}

function takeItem (item: Item, answer: Answer): void {
  for (const { text } of item.summary ?? []) answer.reasoning(text)
  for (const { type, text, refusal } of item.content ?? []) {
    if (type === 'reasoning_text') answer.reasoning(text)
    else answer.text(text)
    answer.refusal(refusal)
  }
  if (item.type === 'function_call') answer.toolCall(item, item.call_id, item.name, item.arguments)
}
