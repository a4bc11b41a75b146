import { setImmediate } from 'node:timers'

/** Someone who has work for the end of this turn of the event loop. */
export interface TurnTask {
  /** Must not throw. */
  endTurn (): void
}

let tasks: TurnTask[] = []

/**
 * Calls `endTurn` once the running turn of the event loop is over: what is written meanwhile leaves together. One
 * immediate serves all tasks of a turn.
 */
export function atEndOfTurn (task: TurnTask): void {
  if (tasks.push(task) === 1) setImmediate(endTurn)
}

function endTurn (): void {
  const ending = tasks
  tasks = []
  for (const task of ending) task.endTurn()
}
