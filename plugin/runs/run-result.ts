import { SSE_ERR_RUN_FORGOTTEN } from '../base/errors.ts'
import type { SseBroker } from '../channels/broker.ts'
import type { SseEntry } from '../wire/entry.ts'
import type { SseRun } from './run.ts'
import { generationOf, readLog, runChannel, type SseRunEnd } from './run-log.ts'

/** What the option `onEnd` of a run receives. */
export interface SseRunResult {
  readonly run: SseRun

  /** How the run ended. */
  readonly state: SseRunEnd

  /**
   * The data of the terminal event, as text: of `done`, what the producer returned; of `failed`, `{ code, message, retryable }`;
   * of `aborted`, `{ reason }`.
   */
  readonly data: string

  /**
   * Reads the text of the run from its log, up to where it ended: for each event of a type, the property `text` of its data or,
   * if that is not JSON with such a string, the data itself.
   *
   * @param event the type of the events, such as `delta`; by default, only events without a type are read
   * @returns the joined text. Rejects with SSE_ERR_RUN_FORGOTTEN if the log has been deleted, and with the errors of the broker
   */
  text (event?: string): Promise<string>
}

/** @param end the terminal event of the run */
export function resultOf (run: SseRun, end: SseEntry, broker: SseBroker, generation: string): SseRunResult {
  return {
    run,
    state: end.event as SseRunEnd,
    data: end.data!,
    text: async type => {
      let text = ''
      for await (const entry of readLog(broker, runChannel(run.id, run.owner), {})) {
        // If the broker has lost the log, another run may have begun one with the same id.
        if ((generationOf(entry) ?? generation) !== generation) throw new SSE_ERR_RUN_FORGOTTEN()
        if (entry.event === type && entry.data !== undefined) text += textOf(entry.data)
      }
      return text
    }
  }
}

function textOf (data: string): string {
  try {
    const text: unknown = JSON.parse(data)?.text
    return typeof text === 'string' ? text : data
  } catch {
    return data
  }
}
