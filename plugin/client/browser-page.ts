/** The globals of a page. A worker has some of them, Node.js none. */
interface BrowserGlobals {
  readonly document?: EventTarget & { readonly visibilityState: string }
  readonly addEventListener?: EventTarget['addEventListener']
  readonly removeEventListener?: EventTarget['removeEventListener']
  readonly location?: { readonly origin: string }
}

/**
 * Calls a listener when the page becomes visible, or when the machine is online again. In a worker, only the
 * latter is known; in Node.js, neither.
 *
 * @returns removes the listener
 */
export function onWake (listener: () => void): () => void {
  const browser = globalThis as BrowserGlobals
  const onVisibilityChange = (): void => { if (browser.document!.visibilityState === 'visible') listener() }
  browser.document?.addEventListener('visibilitychange', onVisibilityChange)
  browser.addEventListener?.('online', listener)
  return () => {
    browser.document?.removeEventListener('visibilitychange', onVisibilityChange)
    browser.removeEventListener?.('online', listener)
  }
}

/** Whether a URL has another origin than the page or worker; false in Node.js. */
export function isCrossOrigin (url: string): boolean {
  const { location } = globalThis as BrowserGlobals
  return location !== undefined && location.origin !== new URL(url).origin
}
