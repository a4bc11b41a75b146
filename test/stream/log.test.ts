import t from 'tap'
import {
  logCallbackFailed, logFailed, logIgnoredReturn, logLateFailure, logSourceFailed, logUnansweredFailure, logUnsentEvent
} from '../../plugin/stream/log.ts'
import { recordingLog, type LogEntry } from '../fixtures/stream.ts'

t.test('each line has a level, the error and a message', async t => {
  const lines: LogEntry[] = []
  const log = recordingLog(lines)
  const err = new Error('boom')
  logFailed(log, err)
  logUnsentEvent(log, err)
  logSourceFailed(log, err)
  logCallbackFailed(log, err)
  logLateFailure(log, err)
  logUnansweredFailure(log, err, 'refused')
  t.strictSame(lines, [
    { level: 'error', fields: { err }, text: 'event stream failed' },
    { level: 'warn', fields: { err }, text: 'event stream could not send an event' },
    { level: 'warn', fields: { err }, text: 'event stream source failed' },
    { level: 'error', fields: { err }, text: 'event stream callback failed' },
    { level: 'error', fields: { err }, text: 'handler failed after its event stream had ended' },
    { level: 'error', fields: { err, cause: 'refused' }, text: 'event stream failed, and the error response could not be sent' }
  ])
  lines.length = 0
  logIgnoredReturn(log)
  t.match(lines, [{ level: 'warn', text: /^handler opened an event stream and returned another value/ }])
})
