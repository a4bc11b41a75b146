/* Checks a response. Does not use the DOM. */

/** @throws an error with the status, unless it is 2xx */
export function assertOk ({ ok, status, statusText }) {
  if (!ok) throw new Error(`${status} ${statusText}`.trim())
}
