import type { Detailed } from '../base/detailed-error.ts'
import { SSE_ERR_BROKER_UNAVAILABLE, SSE_ERR_BROKER_UNKNOWN } from './errors.ts'

/** Error replies of a server that can't execute commands now or any more. A new connection may find another that can. */
const UNAVAILABLE_SERVER = /^(READONLY|LOADING|MASTERDOWN|BUSY|CLUSTERDOWN|TRYAGAIN|MOVED|ASK) /

export function isUnavailableServer (error: Error): boolean {
  return UNAVAILABLE_SERVER.test(error.message)
}

/** Whether it is an error reply of Redis, which begins with a word in capitals. Other errors concern the connection. */
export function isErrorReply (error: Error): boolean {
  return /^[A-Z]+ /.test(error.message)
}

/** Whether Redis doesn't have the script that was called by its digest. */
export function isUnknownScript (error: unknown): boolean {
  return /^NOSCRIPT /.test((error as Error).message)
}

/** Whether the command may succeed once the connection is restored. */
export function isOutage (error: unknown): boolean {
  return error instanceof SSE_ERR_BROKER_UNAVAILABLE || error instanceof SSE_ERR_BROKER_UNKNOWN
}

/** Turns an error reply into SSE_ERR_BROKER_UNAVAILABLE. Errors that have a code are returned unchanged. */
export function toBrokerError (error: unknown): unknown {
  const { code, message } = error as { code?: unknown, message: string }
  return code === undefined ? new SSE_ERR_BROKER_UNAVAILABLE(message, { cause: error }) : error
}

/** The reason of an error. Node's AggregateError for several failed addresses has an empty message, but a code. */
export function reasonOf (error: Error & Detailed & { readonly code?: string }): string {
  return error.detail ?? (error.message || `${error.code}`)
}
