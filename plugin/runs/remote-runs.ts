import type { FastifyBaseLogger } from 'fastify'
import { currentTime } from '../base/clock.ts'
import { SSE_ERR_IDEMPOTENCY_KEY } from '../base/errors.ts'
import { isInstance } from '../base/failure.ts'
import type { SseBroker } from '../channels/broker.ts'
import type { SsePayload } from '../wire/entry.ts'
import { millisecondsOf } from '../wire/event-id.ts'
import { ProducerWatch, type LivenessOwner } from './producer-liveness.ts'
import { reportLost } from './reports.ts'
import { RESPONSE_TIMEOUT } from './response-timeout.ts'
import { retry } from './retry.ts'
import { Run } from './run.ts'
import { publishEnd, runChannel, summarizeLog, type LogSummary, type PublishedEnd } from './run-log.ts'
import { RunState } from './run-state.ts'

const CANCELLED = { event: 'aborted', data: JSON.stringify({ reason: 'cancelled' }) }
const PRODUCER_LOST = { event: 'failed', data: JSON.stringify({ code: 'producer_lost', message: 'The server stopped unexpectedly', retryable: true }) }

interface ViewedRun {
  readonly generation: string
  readonly state: RunState
  readonly run: Run
}

export interface RemoteRunsOwner extends LivenessOwner {
  readonly log: FastifyBaseLogger
}

/** Finds runs that other processes produce, or that this process has forgotten. */
export class RemoteRuns {
  readonly #owner: RemoteRunsOwner
  /** The runs that have viewers in this process, by channel. */
  readonly #viewed = new Map<string, ViewedRun>()

  constructor (owner: RemoteRunsOwner) {
    this.#owner = owner
  }

  /** Returns undefined if there is no log. As long as a run has viewers, it is the same object. */
  async find (id: string, owner: string | undefined): Promise<Run | undefined> {
    const { broker } = this.#owner
    const channel = runChannel(id, owner)
    const log = await summarizeLog(broker, channel)
    if (log === undefined) return undefined
    const viewed = this.#viewed.get(channel)
    if (viewed?.generation === log.generation) {
      viewed.state.end ??= log.end
      return viewed.run
    }
    const state = new RunState(id, owner, log.end)
    const run = new Run(state, broker, () => cancel(broker, state, log.generation))
    this.#watch({ generation: log.generation, state, run }, log)
    return run
  }

  /** Ends the run if its process dies while the run has viewers here. */
  #watch (viewed: ViewedRun, { processId, generation, end }: LogSummary): void {
    const { state } = viewed
    const watch = processId === undefined || end !== undefined
      ? undefined
      : new ProducerWatch(this.#owner, processId, () => this.#endLost(state, generation))
    state.onViewed = () => {
      this.#viewed.set(state.channel, viewed)
      watch?.start()
    }
    state.onOrphaned = () => {
      if (this.#viewed.get(state.channel) === viewed) this.#viewed.delete(state.channel)
      watch?.stop()
    }
  }

  async #endLost (state: RunState, generation: string): Promise<void> {
    const { broker, log } = this.#owner
    const ended = await endLog(broker, state.channel, generation, PRODUCER_LOST)
    state.end ??= ended?.end
    // Another process with viewers of the run may have ended it first.
    if (ended?.repeated === false) reportLost(log, state, ended.end)
  }
}

/** Cancels a run. While the broker fails, it waits a few seconds. */
async function cancel (broker: SseBroker, state: RunState, generation: string): Promise<void> {
  const deadline = currentTime() + RESPONSE_TIMEOUT
  const attempt = (): Promise<PublishedEnd | undefined> => endLog(broker, state.channel, generation, CANCELLED)
  const ended = await attempt().catch(error => retry(error, { attempt, isOver: () => currentTime() > deadline }))
  state.end ??= ended?.end
}

/**
 * Ends a run whose producer may be in another process, unless it has ended.
 *
 * @returns the terminal event; undefined if the log is gone, or belongs to another run with the same id
 */
async function endLog (broker: SseBroker, channel: string, generation: string, payload: SsePayload): Promise<PublishedEnd | undefined> {
  const log = await summarizeLog(broker, channel)
  if (log?.generation !== generation) return undefined
  if (log.end !== undefined) return { end: log.end, repeated: true }
  // The clocks of the broker and of this process may differ.
  const now = Math.max(Date.now(), millisecondsOf(log.clock))
  const age = now - millisecondsOf(log.beginId) + log.retention
  try {
    return await publishEnd(broker, channel, { generation, payload, age })
  } catch (error) {
    if (!isInstance(error, SSE_ERR_IDEMPOTENCY_KEY)) throw error
    const end = (await summarizeLog(broker, channel))?.end
    return end && { end, repeated: true }
  }
}
