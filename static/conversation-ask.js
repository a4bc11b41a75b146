/* Requests an answer exactly once, even if the request has to be repeated. Does not use the DOM. */
/* global addEventListener, navigator */

/** Milliseconds before a request times out. */
const TIMEOUT = 20_000
/** Milliseconds before each repetition; the last value applies to all further ones. */
const RETRY_DELAYS = [1_000, 2_000, 4_000, 8_000]

/**
 * Requests an answer. Every tab may call this for the same answer: one of them sends the request, and if that tab is closed,
 * another takes over. While the server is unreachable, the request is repeated with the same idempotency key, so that the
 * server starts one answer only.
 *
 * @param key the idempotency key: 1 to 255 printable ASCII characters
 * @param body the request
 * @param options.signal aborts the repetition
 * @param options.onUnreachable called after each network error
 * @returns `{ url }` of the answer, or `{ failure }` if the server rejected the request; undefined once `signal` is aborted
 */
export async function requestAnswer (key, body, { signal, onUnreachable }) {
  return await inOneTab(signal, async () => {
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        return await post(key, body)
      } catch {
        if (signal.aborted) return
        onUnreachable()
        await wait(RETRY_DELAYS[attempt] ?? RETRY_DELAYS.at(-1), signal)
      }
    }
  })
}

/** Stops an answer for all its viewers. Rejects if the server is unreachable. */
export async function stopAnswer (url) {
  await fetch(url, { method: 'DELETE', signal: AbortSignal.timeout(TIMEOUT) })
}

async function inOneTab (signal, work) {
  // Locks are only available to secure origins. Without them, every tab sends the request, with the same key.
  if (navigator.locks === undefined) return await work()
  try {
    return await navigator.locks.request('conversation', { signal }, work)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** The signal does not abort this request, so that an answer that was started can be stopped. */
async function post (key, body) {
  const response = await fetch('chat', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body,
    signal: AbortSignal.timeout(TIMEOUT)
  })
  if (response.ok) {
    const { url } = await response.json()
    return { url }
  }
  const { status } = response
  const { message } = await response.json().catch(() => ({}))
  const retryAfter = Number(response.headers.get('retry-after')) || undefined
  return { failure: { code: `http_${status}`, message: message ?? `The server responded with ${status}`, retryable: status >= 500 || status === 429, retryAfter } }
}

/** Waits, but no longer than until the browser is online again. */
async function wait (ms, signal) {
  await new Promise(resolve => {
    const done = new AbortController()
    const wake = () => {
      clearTimeout(timer)
      done.abort()
      resolve()
    }
    const timer = setTimeout(wake, ms)
    addEventListener('online', wake, { signal: done.signal })
    signal.addEventListener('abort', wake, { signal: done.signal })
  })
}
