import t from 'tap'
import { isFailure } from '../../../plugin/llm/protocols/finish-reason.ts'

t.test('finish reasons that mean a failure are recognized, whatever the server calls them', t => {
  for (const reason of ['error', 'network_error', 'abort', 'aborted', 'cancelled', 'malformed_function_call', 'insufficient_system_resource', 'timed_out', 'unexpected_tool_call']) t.ok(isFailure(reason), reason)
  for (const reason of ['stop', 'length', 'tool_calls', 'content_filter', 'end_turn', 'max_tokens', 'refusal', 'other']) t.notOk(isFailure(reason), reason)
  t.end()
})
