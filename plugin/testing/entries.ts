import assert from 'node:assert/strict'
import { SseEntry, type SsePayload } from '../wire/entry.ts'
import { compareIds } from '../wire/event-id.ts'

export function idsOf (entries: readonly SseEntry[]): string[] {
  return entries.map(({ id }) => id)
}

/** Asserts that each id is later than the previous one. */
export function assertRising (ids: string[]): void {
  for (const [index, id] of ids.slice(1).entries()) assert.ok(compareIds(ids[index]!, id) < 0, `${id} follows ${ids[index]}`)
}

/** Asserts that an entry is exactly what was published. */
export function assertEntry (entry: SseEntry, id: string, payload: SsePayload): void {
  const expected = new SseEntry(id, payload)
  assert.ok(entry instanceof SseEntry, 'an entry is an SseEntry')
  assert.deepEqual({ ...entry }, { ...expected })
  assert.equal(entry.frame(true), expected.frame(true))
}
