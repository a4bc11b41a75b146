import t from 'tap'
import { readErrorReport, reportsError } from '../../plugin/llm/error-report.ts'

t.test('a report collects statuses, codes and messages, the most specific first', t => {
  t.strictSame(readErrorReport({ status: 'Bad', code: 500, error: { code: '429', type: 'Limit', message: 'Slow down', metadata: { raw: 'RAW' } } }), {
    statuses: [429, 500],
    codes: 'limit\nbad',
    text: 'limit\nbad\nslow down\nraw',
    retryDelay: undefined
  })
  t.strictSame(readErrorReport('Boom'), { statuses: [], codes: '', text: '\nboom', retryDelay: undefined })
  t.strictSame(readErrorReport([{ detail: [{ msg: 'A' }, 'B'] }, null]), { statuses: [], codes: '', text: '\na\nb', retryDelay: undefined })
  t.end()
})

t.test('a failure is reported by an error, a message, a detail or a status', t => {
  for (const value of [{ error: 'x' }, { message: 'x' }, { detail: 'x' }, { code: 1 }, { base_resp: { status_code: -1 } }]) t.ok(reportsError(value), JSON.stringify(value))
  for (const value of [undefined, {}, { code: 0 }, { type: 'heartbeat', message: 'x' }]) t.notOk(reportsError(value), JSON.stringify(value))
  t.end()
})
