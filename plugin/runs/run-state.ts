import { currentTime } from '../base/clock.ts'
import type { SseEntry } from '../wire/entry.ts'
import { compareIds, epochOf } from '../wire/event-id.ts'
import { runChannel, type SseRunEnd } from './run-log.ts'

/** What this process knows about a run: how it ended, and its viewers in this process. */
export class RunState {
  readonly id: string
  readonly owner: string | undefined
  readonly channel: string
  /** The terminal event; undefined while the run is in progress. */
  end: SseEntry | undefined
  /** When the run last had a viewer, or was created, by `currentTime()`; Infinity while it has viewers. */
  orphanedSince = currentTime()
  /** Called when the first viewer joins. */
  onViewed = (): void => {}
  /** Called when the last viewer leaves. */
  onOrphaned = (): void => {}
  /** Called when a viewer receives the terminal event. */
  onEndSeen = (end: SseEntry): void => { this.end ??= end }
  #viewers = 0

  /** @throws SSE_ERR_RUN_ID */
  constructor (id: string, owner?: string | undefined, end?: SseEntry) {
    this.id = id
    this.owner = owner
    this.channel = runChannel(id, owner)
    this.end = end
  }

  get status (): 'running' | SseRunEnd {
    return this.end === undefined ? 'running' : this.end.event as SseRunEnd
  }

  get viewers (): number {
    return this.#viewers
  }

  addViewer (): void {
    if (this.#viewers++ === 0) this.onViewed()
    this.orphanedSince = Infinity
  }

  removeViewer (): void {
    if (--this.#viewers > 0) return
    this.orphanedSince = currentTime()
    this.onOrphaned()
  }

  /** Whether a client with this Last-Event-ID has received the terminal event. */
  isCompleteFor (lastEventId: string | undefined): boolean {
    if (this.end === undefined || lastEventId === undefined) return false
    return epochOf(lastEventId) === epochOf(this.end.id) && compareIds(lastEventId, this.end.id) >= 0
  }
}
