import { setMaxListeners } from 'node:events'

/**
 * Creates an AbortController whose signal may have any number of listeners. By default Node.js warns of a leak from the
 * eleventh on, but one signal may well abort a dozen requests.
 */
export function createAbortController (): AbortController {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  return controller
}
