import type { Readable } from 'node:stream'
import { bindContext } from '../base/async-context.ts'
import { isThenable } from '../base/callbacks.ts'
import { SSE_ERR_SOURCE } from '../base/errors.ts'
import { describe } from '../base/option-checks.ts'
import { SseEvent, type SseFields } from '../wire/event.ts'

/** Sends one item. Returns a promise if the next item must wait for room. */
export type SendItem = (data: unknown, fields?: SseFields) => Promise<void> | undefined

/**
 * Sends the items of a source one after the other.
 *
 * @param source what `emitter.sendAll` accepts
 * @param signal when it aborts, the promise rejects immediately with the signal's reason and the source is ended: a
 *   stream is closed even while it waits for an item; for other sources, `return()` of the iterator is called
 * @param report receives errors that the source throws while it is being ended
 * @param onEnded called when the source has ended, which may take longer than the promise if the signal aborts
 * @returns what a generator returned, once everything is sent
 */
export function sendSource (source: unknown, send: SendItem, signal: AbortSignal, report: (error: unknown) => void, onEnded?: () => void): Promise<unknown> {
  const reader = new SourceReader(send, signal, report)
  return new Promise((resolve, reject) => {
    // The source ends in the context in which it was read, not in that of the abort.
    const stop = bindContext(() => {
      reject(signal.reason)
      reader.endSource()
    })
    signal.addEventListener('abort', stop, { once: true })
    reader.read(source).then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', stop)
      if (onEnded !== undefined) reader.ended.then(onEnded)
    })
  })
}

export type SourceIterator = Iterator<unknown> | AsyncIterator<unknown>

class SourceReader {
  readonly #send: SendItem
  readonly #signal: AbortSignal
  readonly #report: (error: unknown) => void
  /** Decodes byte chunks, which may end in the middle of a character. */
  readonly #decoder = new TextDecoder()
  #sequence: unknown
  #iterator: SourceIterator | undefined
  /** Resolves when the source has ended, if `endSource` was called. */
  ended: Promise<void> = Promise.resolve()

  constructor (send: SendItem, signal: AbortSignal, report: (error: unknown) => void) {
    this.#send = send
    this.#signal = signal
    this.#report = report
  }

  async read (source: unknown): Promise<unknown> {
    const signal = this.#signal
    // One promise job later, the caller has finished its synchronous code, and the stream is not open yet: a model receives its
    // request first.
    const iterator = await this.#open(source)
    for (;;) {
      const next = iterator.next()
      const { done, value } = isThenable(next) ? await next : next
      if (signal.aborted) return
      if (done === true) {
        const rest = this.#decoder.decode()
        if (rest !== '') await this.#send(rest)
        return value
      }
      try {
        const room = this.#sendItem(value)
        if (room !== undefined) await room
      } catch (error) {
        this.endSource()
        throw error
      }
    }
  }

  /** @throws SSE_ERR_SOURCE, what the source throws, or the signal's reason if it aborts meanwhile */
  #open (source: unknown): SourceIterator | Promise<SourceIterator> {
    if (typeof source !== 'function') return this.#begin(source)
    // After an abort, a source that was passed in is ended although it never began, and a function is not called.
    if (this.#signal.aborted) throw this.#signal.reason
    const sequence = source(this.#signal)
    return isThenable(sequence) ? Promise.resolve(sequence).then(awaited => this.#begin(awaited)) : this.#begin(sequence)
  }

  #begin (sequence: unknown): SourceIterator | Promise<SourceIterator> {
    this.#sequence = sequence
    // Its iterator reports errors only once it has begun. An error that nothing listens for would end the process.
    if (isNodeStream(sequence)) sequence.on('error', () => {})
    this.#iterator = iteratorOf(sequence)
    return this.#signal.aborted ? this.#endAborted() : this.#iterator
  }

  async #endAborted (): Promise<never> {
    await this.endSource()
    throw this.#signal.reason
  }

  #sendItem (item: unknown): Promise<void> | undefined {
    if (item instanceof SseEvent) return this.#send(item.data, item.fields)
    if (!(item instanceof Uint8Array)) return this.#send(item)
    const text = this.#decoder.decode(item, { stream: true })
    return text === '' ? undefined : this.#send(text)
  }

  /** Ends the source before its last item. Never rejects. */
  endSource (): Promise<void> {
    return (this.ended = this.#endSource())
  }

  async #endSource (): Promise<void> {
    try {
      // The iterator of a Node.js stream leaves it open while it waits for an item, and if it never began.
      if (isNodeStream(this.#sequence)) this.#sequence.destroy()
      await this.#iterator?.return?.()
    } catch (error) {
      this.#report(error)
    }
  }
}

/** @throws SSE_ERR_SOURCE */
export function iteratorOf (source: unknown): SourceIterator {
  // Strings and bytes are iterable, but sending each character as an event of its own is never meant.
  if (typeof source === 'object' && source !== null && !ArrayBuffer.isView(source)) {
    if (isWebStream(source)) return new WebStreamIterator(source)
    if (Symbol.asyncIterator in source) return (source as AsyncIterable<unknown>)[Symbol.asyncIterator]()
    if (Symbol.iterator in source) return (source as Iterable<unknown>)[Symbol.iterator]()
  }
  throw new SSE_ERR_SOURCE(`received ${describe(source)}`)
}

/** Also recognizes streams that are not made by `node:stream`. */
export function isNodeStream (value: unknown): value is Readable {
  const { pipe, destroy } = (value ?? {}) as { pipe?: unknown, destroy?: unknown }
  return typeof pipe === 'function' && typeof destroy === 'function'
}

function isWebStream (value: object): value is ReadableStream<unknown> {
  return typeof (value as { getReader?: unknown }).getReader === 'function'
}

/** Unlike the iterator of a web stream, `return()` cancels the stream even while it waits for an item. */
class WebStreamIterator implements AsyncIterator<unknown> {
  readonly #reader: ReadableStreamDefaultReader<unknown>

  constructor (stream: ReadableStream<unknown>) {
    this.#reader = stream.getReader()
  }

  next (): Promise<IteratorResult<unknown>> {
    return this.#reader.read() as Promise<IteratorResult<unknown>>
  }

  async return (): Promise<IteratorResult<undefined>> {
    await this.#reader.cancel()
    return { done: true, value: undefined }
  }
}
