import { setImmediate } from 'node:timers'

/** Someone who has work for the end of a callback. */
export interface TickTask {
  /** Must not throw. */
  endTick (): void
}

/** Someone who has work for the end of this turn of the event loop. */
export interface TurnTask {
  /** Must not throw. */
  endTurn (): void
}

let tasks: TurnTask[] = []

/**
 * Calls `endTick` once the running callback of the event loop is over, and what it has settled: what is written
 * meanwhile leaves together. Other callbacks of the same turn, of which there may be many, are not waited for.
 */
export function atEndOfTick (task: TickTask): void {
  process.nextTick(endTick, task)
}

function endTick (task: TickTask): void {
  task.endTick()
}

/** Calls `endTurn` once the event loop has gone round. One immediate serves all tasks of a turn. */
export function atEndOfTurn (task: TurnTask): void {
  if (tasks.push(task) === 1) setImmediate(endTurn)
}

function endTurn (): void {
  const ending = tasks
  tasks = []
  for (const task of ending) task.endTurn()
}
