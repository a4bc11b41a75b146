import t from 'tap'
import { readErrorReport, reportsError } from '../../plugin/llm/error-report.ts'

t.test('a report collects statuses, codes and messages, the most specific first', t => {
  t.strictSame(readErrorReport({ status: 'Bad', code: 500, error: { code: '429', type: 'Limit', message: 'Slow down', metadata: { raw: 'RAW' } } }), {
    statuses: [429, 500],
    codes: 'limit\nbad',
    text: 'limit\nbad\nslow down\nraw',
    message: 'Slow down; RAW',
    retryDelay: undefined
  })
  t.strictSame(readErrorReport('Boom'), { statuses: [], codes: '', text: '\nboom', message: 'Boom', retryDelay: undefined })
  t.strictSame(readErrorReport([{ detail: [{ msg: 'A' }, 'B'] }, null]), { statuses: [], codes: '', text: '\na\nb', message: 'A; B', retryDelay: undefined })
  t.equal(readErrorReport({ code: 'Throttling' }).message, 'Throttling')
  t.equal(readErrorReport({ code: 5 }).message, undefined)
  t.equal(readErrorReport({ error: { message: 'A' }, message: 'A' }).message, 'A')
  t.end()
})

t.test('a failure is reported by an error, a message, a detail or a status', t => {
  for (const value of [{ error: 'x' }, { message: 'x' }, { detail: 'x' }, { code: 1 }, { base_resp: { status_code: -1 } }]) t.ok(reportsError(value), JSON.stringify(value))
  for (const value of [undefined, {}, { code: 0 }, { type: 'heartbeat', message: 'x' }]) t.notOk(reportsError(value), JSON.stringify(value))
  t.end()
})
