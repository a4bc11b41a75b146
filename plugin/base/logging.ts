import { inspect } from 'node:util'
import type { FastifyBaseLogger } from 'fastify'
import { plainErrorOf, toError } from './failure.ts'

/** The levels of log lines. */
export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'trace'

/** The fields of a log line. Errors may be of any kind. */
export interface LogFields {
  readonly err?: unknown
  readonly [name: string]: unknown
}

/**
 * Writes a line to a log. Every line of this package is written here, and never throws.
 *
 * The serializer of a logger sets and reads properties of the error. It may throw if the error is frozen, is a Proxy, or has
 * getters that throw. In that case, the line contains a copy of the error's message, stack, code and detail.
 */
export function writeLog (log: FastifyBaseLogger, level: LogLevel, fields: LogFields, message: string): void {
  const line = 'err' in fields ? { ...fields, err: toError(fields.err) } : fields
  try {
    log[level](line, message)
  } catch {
    writePlain(log, level, line, message)
  }
}

function writePlain (log: FastifyBaseLogger, level: LogLevel, fields: LogFields, message: string): void {
  try {
    log[level]('err' in fields ? { ...fields, err: plainErrorOf(fields.err) } : fields, message)
  } catch {
    // The logger itself fails. There is no place left to report that.
  }
}

/** Reports an error of a function that must not throw, where there is no log. */
export function warnOf (error: unknown, message: string): void {
  process.emitWarning(`${message}: ${inspect(plainErrorOf(error))}`, 'SseWarning')
}
