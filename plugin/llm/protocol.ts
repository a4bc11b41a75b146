import type { Answer } from './answer.ts'
import { ModelError } from './errors.ts'

/** How one kind of model is asked, and what it answers. */
export interface Protocol {
  /** Below the base URL. */
  readonly path: string
  /** How an answer comes when it is streamed. */
  readonly type: 'text/event-stream' | 'application/x-ndjson'
  /** Whether 429 without Retry-After means that a limit of spending is reached, and waiting does not help. */
  readonly capsSpending?: boolean
  /** Headers of every request. */
  readonly headers?: Readonly<Record<string, string>>
  /** Headers that carry the key. */
  credentials (apiKey: string): Readonly<Record<string, string>>
  /** The body of a request that asks for a stream. */
  streaming (body: object): object
  /**
   * Takes the data of one event, or one line.
   *
   * @throws ModelError if it says that the model has failed
   * @throws anything if it cannot be understood
   */
  read (data: string, answer: Answer): void
  /** Takes an answer that was not streamed. Throws as `read` does. */
  readWhole (data: string, answer: Answer): void
}

/** The object that JSON says. @throws ModelError bad_chunk if it says no object */
export function parseObject<Shape extends object> (data: string): Shape {
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {}
  if (typeof value !== 'object' || value === null) throw new ModelError('bad_chunk')
  return value as Shape
}
