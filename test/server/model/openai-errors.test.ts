import t from 'tap'
import { MODEL_FAILED, openAIError, RATE_LIMIT_EXCEEDED, statusOf } from '../../../server/model/openai-errors.ts'

const invalid = (instancePath: string, params: object = {}): object => Object.assign(new Error('is wrong'), { statusCode: 400, code: 'FST_ERR_VALIDATION', validation: [{ instancePath, params }] })

t.test('errors have the types and codes that they have at OpenAI', async t => {
  t.match(openAIError(new RATE_LIMIT_EXCEEDED()), { type: 'rate_limit_error', param: null, code: 'rate_limit_exceeded' })
  t.match(openAIError(new MODEL_FAILED()), { message: 'The model has failed, as you wished', type: 'server_error', param: null, code: 'model_failed' })
  t.strictSame(openAIError(invalid('')), { message: 'is wrong', type: 'invalid_request_error', param: null, code: 'fst_err_validation' })
})

t.test('the field that is wrong is named as it is there', async t => {
  t.equal(openAIError(invalid('/messages/12/content/0/text')).param, 'messages[12].content[0].text')
  t.equal(openAIError(invalid('', { missingProperty: 'messages' })).param, 'messages')
  t.equal(openAIError(invalid('/messages/0', { missingProperty: 'role' })).param, 'messages[0].role')
})

t.test('of an error that is not meant for clients, they learn nothing', async t => {
  const error = Object.assign(new Error('the password is 1234'), { code: 'ENOENT' })
  t.equal(statusOf(error), 500)
  t.strictSame(openAIError(error), { message: 'Something went wrong on the server', type: 'server_error', param: null, code: null })
})

t.test('a status that is no error\'s is not taken for one', async t => {
  t.equal(statusOf(Object.assign(new Error('x'), { statusCode: 200 })), 500)
  const found = Object.assign(new Error('x'), { statusCode: 404 })
  t.equal(statusOf(found), 404)
  t.strictSame(openAIError(found), { message: 'x', type: 'invalid_request_error', param: null, code: null })
})
