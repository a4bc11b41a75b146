import t from 'tap'
import { ModelError } from '../../../plugin/llm/model-error.ts'
import { anthropicMessages } from '../../../plugin/llm/protocols/anthropic-messages.ts'
import { asArray, asJsonText, asList, asObject, asText, parseObject } from '../../../plugin/llm/protocols/json-shape.ts'
import { ollamaChat } from '../../../plugin/llm/protocols/ollama-chat.ts'
import { openaiChatCompletions } from '../../../plugin/llm/protocols/openai-chat-completions.ts'
import { openaiResponses } from '../../../plugin/llm/protocols/openai-responses.ts'
import { readEvents, readWholeAnswer } from '../../fixtures/read-protocol.ts'

t.test('anything but a JSON object is a malformed chunk', t => {
  t.strictSame(parseObject('{"a":1}'), { a: 1 })
  for (const invalid of ['null', '5', '"text"']) t.throws(() => parseObject(invalid), { code: 'bad_chunk', cause: { name: 'TypeError' } }, invalid)
  for (const invalid of ['', '{', 'NaN']) t.throws(() => parseObject(invalid), { code: 'bad_chunk', cause: { name: 'SyntaxError' } }, invalid)
  t.end()
})

t.test('a value of another type is a malformed chunk, whose cause names both types', t => {
  t.strictSame([asObject({ a: 1 }), asArray([1])], [{ a: 1 }, [1]])
  t.throws(() => asObject(null), { code: 'bad_chunk', cause: new TypeError('The model must send an object; received null') })
  t.throws(() => asArray(undefined), { code: 'bad_chunk', cause: new TypeError('The model must send an array; received undefined') })
  t.throws(() => asText({ a: 1 }), { code: 'bad_chunk', cause: new TypeError('The model must send a string; received object') })
  t.end()
})

t.test('a list may contain null, and may be missing around its only item', t => {
  t.strictSame([[1, null, 'x'], { a: 1 }, {}, [], null, undefined].map(asList), [[1, 'x'], [{ a: 1 }], [], [], [], []])
  t.throws(() => asList('x'), { code: 'bad_chunk' })
  t.end()
})

t.test('a value that is not a string becomes text, or JSON where JSON is expected', t => {
  t.strictSame(['x', '', 6, -1.5, false, null, undefined, {}, []].map(asText), ['x', '', '6', '-1.5', 'false', '', '', '', ''])
  t.throws(() => asText(['x']), { code: 'bad_chunk' }, 'but what is in a list or an object must not be lost')
  t.strictSame(['{"x"', '', 6, true, { x: [1] }, [], null, undefined].map(asJsonText), ['{"x"', '', '6', 'true', '{"x":[1]}', '[]', '', ''])
  t.end()
})

/** Every copy of a JSON value in which one value, at any depth, is replaced. */
function * variants (value: unknown): Generator<unknown> {
  for (const other of [null, 5, 'x', true, [], {}, [null], [5], { valueOf: 5, toString: 5, entries: 5 }]) yield other
  if (typeof value !== 'object' || value === null) return
  for (const [key, nested] of Object.entries(value)) {
    for (const variant of variants(nested)) yield Array.isArray(value) ? value.with(Number(key), variant) : { ...value, [key]: variant }
  }
}

const message = { content: 'a', reasoning: 'b', refusal: 'c', tool_calls: [{ index: 0, id: 'd', function: { name: 'e', arguments: 'f' } }], function_call: { name: 'g', arguments: 'h' } }
const block = { type: 'tool_use', id: 'a', name: 'b', input: {}, text: 'c', thinking: 'd', partial_json: 'e' }
const usage = { input_tokens: 1, cache_creation_input_tokens: 2, cache_read_input_tokens: 3, output_tokens: 4, prompt_tokens: 5, completion_tokens: 6 }
const response = {
  status: 'completed',
  incomplete_details: { reason: 'a' },
  usage,
  output: [{ type: 'function_call', call_id: 'b', name: 'c', arguments: 'd', summary: [{ text: 'e' }], content: [{ type: 'reasoning_text', text: 'f' }] }]
}

t.test('a value of any type anywhere in an answer is read, or is a malformed chunk', t => {
  const answers = [
    [openaiChatCompletions, { choices: [{ index: 0, delta: message, message, finish_reason: 'stop' }], usage }],
    [openaiChatCompletions, { choices: [{ message: { content: [{ text: 'a', thinking: [{ text: 'b' }] }] }, finish_reason: 'stop' }] }],
    [openaiResponses, { type: 'response.output_item.added', output_index: 0, item: { type: 'function_call', call_id: 'a', name: 'b', arguments: 'c' } }],
    [openaiResponses, { type: 'response.output_text.delta', delta: 'a' }],
    [openaiResponses, { type: 'response.completed', response }],
    [openaiResponses, response],
    [anthropicMessages, { type: 'message_start', message: { usage } }],
    [anthropicMessages, { type: 'content_block_start', index: 0, content_block: block }],
    [anthropicMessages, { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'a' } }],
    [anthropicMessages, { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage }],
    [anthropicMessages, { content: [block], stop_reason: 'end_turn', usage }],
    [ollamaChat, { message: { content: 'a', thinking: 'b', tool_calls: [{ id: 'c', function: { name: 'd', arguments: {} } }] }, done: true, done_reason: 'stop', prompt_eval_count: 1, eval_count: 2 }]
  ] as const
  let malformed = 0
  for (const [protocol, answer] of answers) {
    for (const variant of [answer, ...variants(answer)]) {
      for (const read of [readEvents, readWholeAnswer]) {
        try {
          read(protocol, variant)
        } catch (error) {
          if (!(error instanceof ModelError)) t.fail(`${protocol.path} ${JSON.stringify(variant)}: ${String(error)}`)
          malformed++
        }
      }
    }
  }
  t.ok(malformed > 500, `${malformed} malformed answers`)
  t.end()
})
