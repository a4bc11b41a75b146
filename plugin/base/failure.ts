/** What a client is told of something that has failed. */
export interface SseFailure {
  readonly code: string
  /** For people. */
  readonly message: string
  /** Whether the same may succeed when it is tried again. */
  readonly retryable: boolean
}

/** What a client may learn of an error in any case: its code, where it looks like one. */
export function publicCode (error: unknown, otherwise = 'INTERNAL_ERROR'): string {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{0,63}$/.test(code) ? code : otherwise
}

/**
 * An error as clients see it. One that says `expose: true` (the convention of http-errors) is shown with its own code,
 * message and `retryable`; of any other only the code is, because its message may tell of the inside.
 */
export function failureOf (error: unknown): SseFailure {
  if (error instanceof Error && (error as { expose?: unknown }).expose === true) {
    const { code, retryable } = error as { code?: unknown, retryable?: unknown }
    return { code: typeof code === 'string' ? code : 'producer_failed', message: error.message, retryable: retryable === true }
  }
  return { code: publicCode(error, 'producer_failed'), message: 'It failed on the server', retryable: false }
}
