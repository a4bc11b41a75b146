import type { FastifyBaseLogger } from 'fastify'
import { writeLog } from '../base/logging.ts'

// Every line that a stream logs, with its level.

export function logFailed (log: FastifyBaseLogger, err: unknown): void {
  writeLog(log, 'error', { err }, 'event stream failed')
}

export function logUnsentEvent (log: FastifyBaseLogger, err: unknown): void {
  writeLog(log, 'warn', { err }, 'event stream could not send an event')
}

export function logSourceFailed (log: FastifyBaseLogger, err: unknown): void {
  writeLog(log, 'warn', { err }, 'event stream source failed')
}

export function logCallbackFailed (log: FastifyBaseLogger, err: unknown): void {
  writeLog(log, 'error', { err }, 'event stream callback failed')
}

export function logLateFailure (log: FastifyBaseLogger, err: unknown): void {
  writeLog(log, 'error', { err }, 'handler failed after its event stream had ended')
}

export function logUnansweredFailure (log: FastifyBaseLogger, err: unknown, cause: unknown): void {
  writeLog(log, 'error', { err, cause }, 'event stream failed, and the error response could not be sent')
}

export function logIgnoredReturn (log: FastifyBaseLogger): void {
  writeLog(log, 'warn', {}, 'handler opened an event stream and returned another value, which is ignored; return the reply or the emitter')
}
