/** What there is of a browser. */
interface Surroundings {
  readonly document?: EventTarget & { readonly visibilityState: string }
  readonly addEventListener?: EventTarget['addEventListener']
  readonly removeEventListener?: EventTarget['removeEventListener']
  readonly location?: { readonly origin: string }
}

/**
 * Calls back when the page becomes visible, or the machine has a network again. In a worker there is only the latter,
 * outside a browser nothing.
 *
 * @returns ends it
 */
export function onWake (wake: () => void): () => void {
  const page = globalThis as Surroundings
  const look = (): void => { if (page.document!.visibilityState === 'visible') wake() }
  page.document?.addEventListener('visibilitychange', look)
  page.addEventListener?.('online', wake)
  return () => {
    page.document?.removeEventListener('visibilitychange', look)
    page.removeEventListener?.('online', wake)
  }
}

/** Whether an address is of another origin than the page; outside a page none is. */
export function isForeign (url: string): boolean {
  const { location } = globalThis as Surroundings
  return location !== undefined && location.origin !== new URL(url).origin
}
