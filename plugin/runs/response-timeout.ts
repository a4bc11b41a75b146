import { setImmediate } from 'node:timers'
import { SSE_ERR_BROKER_UNAVAILABLE } from '../base/errors.ts'

/** Milliseconds that an application or a client waits for the broker. */
export const RESPONSE_TIMEOUT = 5_000

/**
 * Waits for a result that depends on the broker, which may be unavailable for a long time.
 *
 * @throws SSE_ERR_BROKER_UNAVAILABLE after five seconds; otherwise, the error with which the result rejects
 */
export async function withResponseTimeout<Result> (result: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const timedOut = new Promise<never>((_resolve, reject) => {
    const timeOut = (): void => reject(new SSE_ERR_BROKER_UNAVAILABLE(`it did not respond within ${RESPONSE_TIMEOUT} ms`))
    // If this process was busy, the response may have arrived without having been read.
    timer = setTimeout(() => { setImmediate(timeOut) }, RESPONSE_TIMEOUT)
    timer.unref()
  })
  try {
    return await Promise.race([result, timedOut])
  } finally {
    clearTimeout(timer)
  }
}
