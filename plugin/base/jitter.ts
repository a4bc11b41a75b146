/**
 * Returns a random delay between half and one and a half times `ms`, so that clients do not all reconnect at once. It is an
 * integer that `retry` accepts.
 */
export function jitter (ms: number): number {
  return Math.min(Math.round(ms * (0.5 + Math.random())), Number.MAX_SAFE_INTEGER)
}
