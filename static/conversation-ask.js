/* How the server is asked for an answer, once and no more, however often the request has to be repeated. No DOM. */
/* global addEventListener, navigator */

/** Milliseconds after which a request is given up. */
const PATIENCE = 20_000
/** Milliseconds before it is repeated: more with each time, up to the last. */
const PAUSES = [1_000, 2_000, 4_000, 8_000]

/**
 * Begins an answer. All tabs may call this for the same one: one of them asks, and if it is closed, the next does. As
 * long as the server cannot be reached, it is asked again under the same key, by which it begins one answer only.
 *
 * @param key of 1 to 255 printable ASCII characters
 * @param body the request
 * @param options.signal aborted when there is nothing to ask for any more
 * @param options.away called when the server cannot be reached
 * @returns `{ url }` of the answer, or the `failure` with which it was refused; undefined once `signal` is aborted
 */
export async function ask (key, body, { signal, away }) {
  return await oneTab(signal, async () => {
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        return await post(key, body)
      } catch {
        if (signal.aborted) return
        away()
        await pause(PAUSES[attempt] ?? PAUSES.at(-1), signal)
      }
    }
  })
}

/** Ends an answer for everybody who watches it. Rejects if the server cannot be reached. */
export async function stop (url) {
  await fetch(url, { method: 'DELETE', signal: AbortSignal.timeout(PATIENCE) })
}

async function oneTab (signal, work) {
  // There are no locks on an origin that is not secure. All tabs ask then, by the same key.
  if (navigator.locks === undefined) return await work()
  try {
    return await navigator.locks.request('conversation', { signal }, work)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** Is not ended by the signal: who has begun an answer learns where it is, and can stop it. */
async function post (key, body) {
  const response = await fetch('chat', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body,
    signal: AbortSignal.timeout(PATIENCE)
  })
  if (response.ok) {
    const { url } = await response.json()
    return { url }
  }
  const { status } = response
  const { message } = await response.json().catch(() => ({}))
  const retryAfter = Number(response.headers.get('retry-after')) || undefined
  return { failure: { code: `http_${status}`, message: message ?? `The server refused with ${status}`, retryable: status >= 500 || status === 429, retryAfter } }
}

/** Waits, unless the network is there again before that. */
async function pause (ms, signal) {
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
