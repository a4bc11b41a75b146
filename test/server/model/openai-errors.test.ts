import t from 'tap'
import { MODEL_FAILED, RATE_LIMIT_EXCEEDED, statusOf, toOpenAIError } from '../../../server/model/openai-errors.ts'

const invalid = (instancePath: string, params: object = {}): object => Object.assign(new Error('is wrong'), { statusCode: 400, code: 'FST_ERR_VALIDATION', validation: [{ instancePath, params }] })

t.test('errors have the types and codes of OpenAI\'s API', async t => {
  t.match(toOpenAIError(new RATE_LIMIT_EXCEEDED()), { type: 'rate_limit_error', param: null, code: 'rate_limit_exceeded' })
  t.match(toOpenAIError(new MODEL_FAILED()), { message: 'The model failed, as requested', type: 'server_error', param: null, code: 'model_failed' })
  t.strictSame(toOpenAIError(invalid('')), { message: 'is wrong', type: 'invalid_request_error', param: null, code: 'fst_err_validation' })
})

t.test('param is the invalid field in OpenAI\'s notation', async t => {
  t.equal(toOpenAIError(invalid('/messages/12/content/0/text')).param, 'messages[12].content[0].text')
  t.equal(toOpenAIError(invalid('', { missingProperty: 'messages' })).param, 'messages')
  t.equal(toOpenAIError(invalid('/messages/0', { missingProperty: 'role' })).param, 'messages[0].role')
})

t.test('the message of an error without a status is not exposed', async t => {
  const error = Object.assign(new Error('the password is 1234'), { code: 'ENOENT' })
  t.equal(statusOf(error), 500)
  t.strictSame(toOpenAIError(error), { message: 'Internal server error', type: 'server_error', param: null, code: null })
})

t.test('a status below 400 becomes 500', async t => {
  t.equal(statusOf(Object.assign(new Error('x'), { statusCode: 200 })), 500)
  const found = Object.assign(new Error('x'), { statusCode: 404 })
  t.equal(statusOf(found), 404)
  t.strictSame(toOpenAIError(found), { message: 'x', type: 'invalid_request_error', param: null, code: null })
})
