import { Readable } from 'node:stream'
import { isThenable } from '../base/callbacks.ts'
import { SSE_ERR_SOURCE } from '../base/errors.ts'
import { describe } from '../base/option-checks.ts'
import { SseEvent, type SseFields } from '../wire/event.ts'

/** Sends one item; gives a promise where the next has to wait for room, and undefined where it has not. */
type SendItem = (data: unknown, fields?: SseFields) => Promise<void> | undefined

/**
 * Feeds the items of a source to `send`, one after the other.
 *
 * @param source what `emitter.sendAll` takes
 * @param signal its abortion ends the source (the iterator's `return()` is called) and rejects the promise at once with
 *   the signal's reason, whatever the source is doing
 * @param report takes what goes wrong when the source is ended before its time
 * @returns what a generator has returned, once everything is sent
 */
export function sendSource (source: unknown, send: SendItem, signal: AbortSignal, report: (error: unknown) => void): Promise<unknown> {
  let iterator: Iterator<unknown> | AsyncIterator<unknown> | undefined
  let sequence: unknown

  const release = async (): Promise<void> => {
    try {
      await iterator?.return?.()
      // A Node stream's iterator that never began leaves the stream open.
      if (sequence instanceof Readable) sequence.destroy()
    } catch (error) {
      report(error)
    }
  }

  const feed = async (): Promise<unknown> => {
    // A source that was handed over is ended even where it never began; one that would have to be made is not made.
    if (typeof source !== 'function' || !signal.aborted) {
      sequence = typeof source === 'function' ? await source(signal) : source
      iterator = iteratorOf(sequence)
    }
    if (signal.aborted) {
      await release()
      throw signal.reason
    }
    const decoder = new TextDecoder()
    const sendNext = (item: unknown): Promise<void> | undefined => {
      if (item instanceof SseEvent) return send(item.data, item.fields)
      if (!(item instanceof Uint8Array)) return send(item)
      // A chunk may hold no more than the first bytes of a character.
      const text = decoder.decode(item, { stream: true })
      return text === '' ? undefined : send(text)
    }
    let result: unknown
    for (;;) {
      const next = iterator!.next()
      const { done, value } = isThenable(next) ? await next : next
      if (signal.aborted) return
      if (done === true) {
        result = value
        break
      }
      try {
        const room = sendNext(value)
        if (room !== undefined) await room
      } catch (error) {
        release()
        throw error
      }
    }
    const rest = decoder.decode()
    if (rest !== '') await send(rest)
    return result
  }

  return new Promise((resolve, reject) => {
    const stop = (): void => {
      reject(signal.reason)
      release()
    }
    signal.addEventListener('abort', stop, { once: true })
    feed().then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

function iteratorOf (source: unknown): Iterator<unknown> | AsyncIterator<unknown> {
  // A string and bytes are iterable, but nobody means to send each character as an event of its own.
  if (typeof source === 'object' && source !== null && !ArrayBuffer.isView(source)) {
    if (Symbol.asyncIterator in source) return (source as AsyncIterable<unknown>)[Symbol.asyncIterator]()
    if (Symbol.iterator in source) return (source as Iterable<unknown>)[Symbol.iterator]()
  }
  throw new SSE_ERR_SOURCE(describe(source))
}
