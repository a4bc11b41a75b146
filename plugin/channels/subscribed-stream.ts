import type { SharedText } from '../wire/shared-text.ts'

/** What a subscriber needs from the stream of its client. */
export interface SubscribedStream {
  /** Whether a space follows each colon. */
  readonly spaceAfterColon: boolean
  readonly overflow: 'close' | 'drop' | 'latest'
  /** Resolves when there is room for more; undefined while there is. */
  readonly room: Promise<void> | undefined
  /**
   * Sends text that is shared with other streams.
   *
   * @param now on the clock of `currentTime()`
   * @returns false if nothing was sent, because there is no room
   */
  deliver (text: SharedText, events: number, now: number): boolean
  /** Sends complete events. @returns a promise to wait for before more is sent, if there is no room for more */
  put (text: string, events: number): Promise<void> | undefined
  /** Ends the stream because the client is so slow that events it has not received are no longer in the history. */
  closeAsSlow (): void
  /** Ends the stream after an event for which `until` returned true. */
  complete (): void
  completeWithError (error: unknown): void
  /** Reports that the client has missed events of some channels. @param reset whether the broker does not know its id */
  reportGap (channels: readonly string[], reset: boolean): void
}
