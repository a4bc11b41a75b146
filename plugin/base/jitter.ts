/** Returns a random delay between half and one and a half times `ms`, so that clients do not all reconnect at once. */
export function jitter (ms: number): number {
  return Math.round(ms * (0.5 + Math.random()))
}
