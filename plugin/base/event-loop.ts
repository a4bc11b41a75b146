// A test that fakes the global `setImmediate` must not stop flushes.
import { setImmediate } from 'node:timers'
import { warnOf } from './logging.ts'

/** Work for the end of a callback of the event loop. */
export interface TickTask {
  /** Must not throw. */
  endTick (): void
}

/** Work for the end of a turn of the event loop. */
export interface TurnTask {
  /** Must not throw. */
  endTurn (): void
}

let tasks: TurnTask[] = []

/**
 * Calls `endTick` at the end of the current callback of the event loop or, in a promise job, when no more promise jobs are
 * waiting. It does not wait for other callbacks of the same turn, of which there may be many.
 */
export function atEndOfTick (task: TickTask): void {
  process.nextTick(endTick, task)
}

function endTick (task: TickTask): void {
  try {
    task.endTick()
  } catch (error) {
    warnOf(error, 'A task threw')
  }
}

/** Calls `endTurn` at the end of the current turn of the event loop. All tasks of a turn share one immediate. */
export function atEndOfTurn (task: TurnTask): void {
  if (tasks.push(task) === 1) setImmediate(endTurn)
}

/** Resolves in the next turn of the event loop, also where a test fakes `setImmediate`. */
export function nextTurn (): Promise<void> {
  return new Promise(resolve => { setImmediate(resolve) })
}

function endTurn (): void {
  const ending = tasks
  tasks = []
  for (const task of ending) {
    try {
      task.endTurn()
    } catch (error) {
      warnOf(error, 'A task threw')
    }
  }
}
