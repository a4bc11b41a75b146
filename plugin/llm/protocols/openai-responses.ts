import { errorFromAnswer, throwReportedError } from '../error-mapping.ts'
import type { FinishReason } from '../model-delta.ts'
import { ModelError } from '../model-error.ts'
import type { DeltaWriter, Final, TextKind } from './delta-writer.ts'
import { isFailure } from './finish-reason.ts'
import { asArray, asList, asObject, isObject, parseObject } from './json-shape.ts'
import type { Protocol } from './protocol.ts'

interface ContentPart {
  readonly type?: unknown
  readonly text?: unknown
  readonly refusal?: unknown
}

interface OutputItem {
  readonly type?: unknown
  readonly id?: unknown
  readonly call_id?: unknown
  readonly name?: unknown
  readonly arguments?: unknown
  /** The input of a custom tool, which is text. */
  readonly input?: unknown
  readonly content?: unknown
  readonly summary?: unknown
}

interface Response {
  readonly status?: unknown
  readonly error?: unknown
  readonly incomplete_details?: { readonly reason?: unknown } | null
  readonly output?: ReadonlyArray<OutputItem | null> | null
  /** The texts of all messages, as some servers send them instead of `output`. */
  readonly output_text?: unknown
  readonly usage?: { readonly input_tokens?: unknown, readonly output_tokens?: unknown } | null
}

interface Event extends Response {
  readonly type?: unknown
  readonly delta?: unknown
  readonly output_index?: unknown
  readonly item_id?: unknown
  readonly content_index?: unknown
  readonly summary_index?: unknown
  readonly item?: OutputItem | null
  readonly part?: ContentPart | null
  readonly text?: unknown
  readonly refusal?: unknown
  readonly name?: unknown
  readonly arguments?: unknown
  readonly input?: unknown
  readonly response?: Response | null
}

/** The passes of final values: what each of them completes. */
const [PART, WHOLE_PART, ITEM, ANSWER] = [1, 2, 3, 4] as const

const INCOMPLETE_REASONS = new Map<unknown, FinishReason>([
  ['max_output_tokens', 'length'],
  ['max_tokens', 'length'],
  ['content_filter', 'content-filter']
])

const UNFINISHED_STATUSES = new Set<unknown>(['queued', 'in_progress', 'cancelled'])

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
    if (data.trim() === '[DONE]') return
    const event = parseObject<Event>(data)
    if (event.error) throwReportedError(event)
    if (announcesWork(event)) writer.working()
    if (!writeDelta(event, writer)) writeFinal(event, writer)
  },
  readWholeAnswer: (data, writer) => {
    const response = parseObject<Response>(data)
    if (response.error || !Array.isArray(response.output)) throwReportedError(response)
    asArray(response.output)
    writeEnd(response, response.status, writer)
  }
}

/** @returns whether the event is a delta */
function writeDelta (event: Event, writer: DeltaWriter): boolean {
  switch (event.type) {
    case 'response.output_text.delta':
      writer.text(event.delta, event.output_index ?? event.item_id, event.content_index)
      return true
    case 'response.refusal.delta':
      writer.refusal(event.delta, event.output_index ?? event.item_id, event.content_index)
      return true
    case 'response.reasoning_text.delta':
      writer.reasoning(event.delta, event.output_index ?? event.item_id, event.content_index)
      return true
    case 'response.reasoning_summary_text.delta':
      writer.summary(event.delta, event.output_index ?? event.item_id, event.summary_index)
      return true
    case 'response.output_item.added':
      if (isObject(event.item)) writeCallStart(event, event.item, writer)
      return true
    case 'response.function_call_arguments.delta':
    case 'response.custom_tool_call_input.delta':
      writer.toolArguments(callKey(event, writer), event.delta)
      return true
    default: return false
  }
}

function writeCallStart ({ output_index: index }: Event, { type, id, call_id: callId, name, arguments: args, input }: OutputItem, writer: DeltaWriter): void {
  const key = index ?? id
  const options = { alias: id ?? undefined, isText: type === 'custom_tool_call', isProvisional: true }
  if (type === 'function_call') writer.toolCall(key, callId, name, args, options)
  else if (options.isText) writer.toolCall(key, callId, name, input, options)
}

/** Some servers number items in different ways in different events; others change the id with every event. */
function callKey ({ item_id: id, output_index: index }: Event, writer: DeltaWriter): unknown {
  return id !== undefined && writer.hasToolCall(id) ? id : index ?? id
}

/** Writes the texts that an event contains as a whole, unless they were streamed. */
function writeFinal (event: Event, writer: DeltaWriter): void {
  const { type, output_index: index, item_id: id, item, part } = event
  const items = [index, id]
  const writeText = (kind: TextKind, value: unknown, position: unknown): void => { writer.finals([{ kind, value, items, position }], PART, false) }
  switch (type) {
    case 'response.output_text.done': return writeText('text', event.text, event.content_index)
    case 'response.refusal.done': return writeText('refusal', event.refusal, event.content_index)
    case 'response.reasoning_text.done': return writeText('reasoning', event.text, event.content_index)
    case 'response.reasoning_summary_text.done': return writeText('summary', event.text, event.summary_index)
    case 'response.content_part.done': return writer.finals(isObject(part) ? contentFinals(part, items, event.content_index) : [], WHOLE_PART, false)
    case 'response.reasoning_summary_part.done': return writer.finals([{ kind: 'summary', value: part?.text, items, position: event.summary_index }], WHOLE_PART, false)
    case 'response.function_call_arguments.done':
    case 'response.custom_tool_call_input.done': return writeArguments(event, items, writer)
    case 'response.output_item.done': return writer.finals(isObject(item) ? itemFinals(item, [index, item.id]) : [], ITEM, false)
    case 'response.completed':
    case 'response.incomplete':
    case 'response.failed': return writeEnd(event.response ?? event, type.slice('response.'.length), writer)
    case 'response.cancelled': throw new ModelError('truncated')
    case 'response.error':
    case 'error': throw errorFromAnswer(event)
    // All other events of the protocol are ignored.
    default: if (typeof type !== 'string' || !type.startsWith('response.')) throwReportedError(event)
  }
}

/** Without a name, the arguments of a call that was not started may be for a tool that the server runs itself. */
function writeArguments (event: Event, items: readonly unknown[], writer: DeltaWriter): void {
  const { name, arguments: args, input } = event
  if (writer.hasToolCall(callKey(event, writer)) || name) writer.finals([{ kind: 'tool-call', value: args ?? input, items, name, isText: args === undefined }], PART, false)
}

/** Whether the model may be silent for minutes after an event: reasoning may be hidden, and the server may run a tool. */
function announcesWork ({ type, item }: Event): boolean {
  if (typeof type !== 'string' || !type.startsWith('response.') || type.endsWith('.delta')) return false
  return type !== 'response.content_part.added' && !(type === 'response.output_item.added' && item?.type === 'message')
}

/** @param response may be the event itself, as some servers send it */
function writeEnd (response: Response, status: unknown, writer: DeltaWriter): void {
  const { error, output, incomplete_details: details, usage } = response
  if (status === 'failed') throw errorFromAnswer(error)
  if (error) throwReportedError({ error, output })
  if (UNFINISHED_STATUSES.has(status)) throw new ModelError('truncated')
  const finals = asList<OutputItem>(output).flatMap((item, position) => itemFinals(asObject(item), [position, item.id]))
  if (!finals.some(({ kind }) => kind === 'text')) finals.push({ kind: 'text', value: response.output_text })
  writer.finals(finals, ANSWER, true)
  if (usage) writer.usage(usage.input_tokens, usage.output_tokens)
  const reason = details?.reason
  if (status !== 'completed' && typeof reason === 'string' && isFailure(reason)) throw errorFromAnswer(reason)
  writer.finishReason(status === 'completed' ? 'stop' : INCOMPLETE_REASONS.get(reason) ?? 'other')
  writer.end()
}

function itemFinals ({ type, call_id: callId, name, arguments: args, input, content, summary }: OutputItem, items: readonly unknown[]): Final[] {
  if (type === 'function_call') return [{ kind: 'tool-call', items, id: callId, name, value: args }]
  if (type === 'custom_tool_call') return [{ kind: 'tool-call', items, id: callId, name, value: input, isText: true }]
  return [
    ...partsOf(summary).map(({ text }, position): Final => ({ kind: 'summary', value: text, items, position })),
    ...partsOf(content).flatMap((part, position) => contentFinals(part, items, position))
  ]
}

function partsOf (content: unknown): ContentPart[] {
  return (typeof content === 'string' ? [content] : asList<ContentPart | string>(content)).map(part => isObject(part) ? part : { text: part })
}

function contentFinals ({ type, text, refusal }: ContentPart, items: readonly unknown[], position: unknown): Final[] {
  return [
    { kind: type === 'reasoning_text' ? 'reasoning' : 'text', value: text, items, position },
    { kind: 'refusal', value: refusal, items, position }
  ]
}
