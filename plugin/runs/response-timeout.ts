import { setImmediate } from 'node:timers'
import { SSE_ERR_BROKER_UNAVAILABLE } from '../base/errors.ts'

/** Milliseconds that the broker may take for what an application or a client waits for. */
export const RESPONSE_TIMEOUT = 5_000

/**
 * Waits for a result that depends on the broker, which may be away for any time.
 *
 * @throws SSE_ERR_BROKER_UNAVAILABLE after five seconds; and what the result rejects with
 */
export async function withResponseTimeout<Result> (result: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const timedOut = new Promise<never>((_resolve, reject) => {
    const timeOut = (): void => reject(new SSE_ERR_BROKER_UNAVAILABLE(`it did not respond within ${RESPONSE_TIMEOUT} ms`))
    // If this process was busy, the response may have arrived but has not been read yet.
    timer = setTimeout(() => { setImmediate(timeOut) }, RESPONSE_TIMEOUT)
    timer.unref()
  })
  try {
    return await Promise.race([result, timedOut])
  } finally {
    clearTimeout(timer)
  }
}
