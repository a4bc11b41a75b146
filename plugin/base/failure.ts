/** What a client may know about an error. */
export interface SseFailure {
  readonly code: string
  /** A message for users. */
  readonly message: string
  /** Whether the same request may succeed later. */
  readonly retryable: boolean
}

/** The code of an error, which is safe to show to clients; `fallback` if it has no code in upper case. */
export function publicCode (error: unknown, fallback = 'INTERNAL_ERROR'): string {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{0,63}$/.test(code) ? code : fallback
}

/**
 * Returns what clients may know about an error. If its property `expose` is `true`, as in http-errors, that is its code,
 * its message and its property `retryable`. Otherwise it is only the code, because the message may contain internals.
 */
export function failureOf (error: unknown): SseFailure {
  if (error instanceof Error && (error as { expose?: unknown }).expose === true) {
    const { code, retryable } = error as { code?: unknown, retryable?: unknown }
    return { code: typeof code === 'string' ? code : 'producer_failed', message: error.message, retryable: retryable === true }
  }
  return { code: publicCode(error, 'producer_failed'), message: 'An internal error occurred', retryable: false }
}
