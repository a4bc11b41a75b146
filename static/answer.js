/* What pages make of an answer. No DOM in here. */

/** @throws an error that says its status, where that is not a good one */
export function assertOk ({ ok, status, statusText }) {
  if (!ok) throw new Error(`${status} ${statusText}`.trim())
}
