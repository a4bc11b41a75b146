import { spawn } from 'node:child_process'
import { on, once, EventEmitter } from 'node:events'
import { createReadStream } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { Duplex, PassThrough, Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { event, type SseFields } from '../../plugin/wire/event.ts'
import { sendSource } from '../../plugin/stream/source.ts'

const nextTurn = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })

interface Sink {
  sent: unknown[]
  controller: AbortController
  reports: unknown[]
  feed: (source: unknown, send?: (data: unknown, fields?: SseFields) => Promise<void> | undefined) => Promise<unknown>
}

function sink (): Sink {
  const sent: unknown[] = []
  const reports: unknown[] = []
  const controller = new AbortController()
  return {
    sent,
    controller,
    reports,
    feed: (source, send = (data, fields) => { sent.push(fields === undefined ? data : [data, fields]); return undefined }) =>
      sendSource(source, send, controller.signal, error => { reports.push(error) })
  }
}

/** A source of 1, 2, 3, … that records whether it was ended. */
function counter (): { iterator: AsyncGenerator<number>, ended: () => boolean } {
  let ended = false
  const count = async function * (): AsyncGenerator<number> {
    try {
      for (let index = 1; ; index++) yield index
    } finally {
      ended = true
    }
  }
  return { iterator: count(), ended: () => ended }
}

async function sends (t: Test, source: unknown, expected: unknown[], message: string): Promise<void> {
  const { sent, feed } = sink()
  await feed(source)
  t.strictSame(sent, expected, message)
}

t.test('every item of a source is sent, in order', async t => {
  await sends(t, ['a', { b: 1 }, null], ['a', { b: 1 }, null], 'an array')
  await sends(t, new Set([1, 2]), [1, 2], 'an iterable')
  await sends(t, (function * () { yield 1; yield 2 })(), [1, 2], 'a generator')
  await sends(t, (async function * () { yield 1; yield 2 })(), [1, 2], 'an async generator')
  await sends(t, Readable.from(['a', 'b']), ['a', 'b'], 'a Node.js stream')
  await sends(t, new ReadableStream({ start: c => { c.enqueue('a'); c.enqueue('b'); c.close() } }), ['a', 'b'], 'a web stream')
  await sends(t, () => ['a'], ['a'], 'a function')
  await sends(t, async () => ['a'], ['a'], 'an async function')
  await sends(t, [event('x', { id: '1', event: 'e' }), event('y')], [['x', { id: '1', event: 'e' }], ['y', {}]], 'events with their fields')
})

t.test('a source starts in the first promise job after the call', async t => {
  const steps: string[] = []
  const { feed } = sink()
  const fed = feed(async function * () { steps.push('source'); yield 1 })
  Promise.resolve().then(() => { steps.push('later') })
  steps.push('caller')
  await fed
  t.strictSame(steps, ['caller', 'source', 'later'])
})

t.test('a Node.js stream that fails after the signal has aborted does not end the process', async t => {
  const missing = new URL('missing', import.meta.url)
  const { feed, controller, reports } = sink()
  controller.abort(new Error('closed'))
  for (const wrap of [(stream: Readable) => stream, (stream: Readable) => async () => stream]) {
    const aborted = sink()
    const stream = createReadStream(missing)
    const fed = aborted.feed(wrap(stream))
    aborted.controller.abort(new Error('closed'))
    await t.rejects(fed, { message: 'closed' })
    await closed(t, stream)
  }
  const stream = createReadStream(missing)
  await t.rejects(feed(stream), { message: 'closed' })
  await closed(t, stream)
  t.strictSame(reports, [])
})

t.test('a Node.js stream that has failed before it is sent rejects with its error', async t => {
  const stream = new Readable({ read () {} })
  stream.destroy(new Error('failed'))
  await t.rejects(sink().feed(stream), { message: 'failed' })
})

/** Waits until a stream is closed, and checks that its errors were listened for. */
async function closed (t: Test, stream: Readable): Promise<void> {
  t.not(stream.listenerCount('error'), 0, 'an error has a listener')
  if (!stream.closed) await new Promise(resolve => { stream.once('close', resolve) })
}

t.test('byte chunks are decoded as UTF-8, even if a character is split', async t => {
  const bytes = Buffer.from('aé你😀')
  await sends(t, Array.from(bytes, byte => Uint8Array.of(byte)), ['a', 'é', '你', '😀'], 'byte by byte')
  await sends(t, Readable.from([bytes.subarray(0, 2), bytes.subarray(2)], { objectMode: false }), ['a', 'é你😀'], 'a stream of bytes')
  await sends(t, [bytes.subarray(0, 2)], ['a', '\uFFFD'], 'a truncated character at the end')
  await sends(t, [new Uint8Array(0)], [], 'an empty chunk')
})

t.test('a value that is not iterable is rejected', async t => {
  for (const source of ['text', 5, null, undefined, {}, Buffer.from('x'), () => 'text']) {
    await t.rejects(sink().feed(source), { code: 'SSE_ERR_SOURCE' })
  }
  await t.rejects(sink().feed('text'), { code: 'SSE_ERR_SOURCE', detail: 'received "text"' })
})

t.test('the next item is requested when the last one is sent', async t => {
  const { iterator, ended } = counter()
  const { feed } = sink()
  let pulled = 0
  let take = (): void => {}
  const fed = feed(iterator, () => {
    pulled++
    return pulled === 4 ? Promise.reject(new Error('enough')) : new Promise(resolve => { take = resolve })
  })
  for (let expected = 1; expected <= 3; expected++) {
    for (let turn = 0; turn < 3; turn++) await nextTurn()
    t.equal(pulled, expected)
    take()
  }
  await t.rejects(fed, { message: 'enough' })
  t.ok(ended(), 'a failed send ends the source')
})

t.test('an error of the source rejects', async t => {
  const { feed, sent } = sink()
  await t.rejects(feed((function * () { yield 1; throw new Error('dry') })()), { message: 'dry' })
  t.strictSame(sent, [1])
  await t.rejects(feed(async () => { throw new Error('no source') }), { message: 'no source' })
  await t.rejects(feed(() => { throw new Error('no source') }), { message: 'no source' })
})

t.test('when the signal aborts, the source is ended and the promise rejects immediately', async t => {
  const gone = new Error('gone')

  t.test('while waiting for room', async t => {
    const { iterator, ended } = counter()
    const { feed, controller } = sink()
    const fed = feed(iterator, () => new Promise(() => {}))
    await nextTurn()
    controller.abort(gone)
    await t.rejects(fed, gone)
    t.ok(ended())
  })

  t.test('while the source waits for an event that is never emitted', async t => {
    const { feed, controller } = sink()
    const emitter = new EventEmitter()
    const fed = feed(on(emitter, 'news'))
    await nextTurn()
    t.equal(emitter.listenerCount('news'), 1)
    controller.abort(gone)
    await t.rejects(fed, gone)
    t.equal(emitter.listenerCount('news'), 0)
  })

  t.test('while the source does work that only the signal ends', async t => {
    const { feed, controller } = sink()
    let cancelled = false
    const fed = feed(async function * (signal: AbortSignal) {
      yield await new Promise<never>((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          cancelled = true
          reject(new Error('cancelled'))
        })
      })
    })
    await nextTurn()
    controller.abort(gone)
    await t.rejects(fed, gone)
    t.ok(cancelled)
  })

  t.test('while the source is being created', async t => {
    const { iterator, ended } = counter()
    const { feed, controller, sent } = sink()
    const fed = feed(async () => {
      await nextTurn()
      return iterator
    })
    controller.abort(gone)
    await t.rejects(fed, gone)
    await nextTurn()
    await nextTurn()
    t.strictSame(sent, [])
    t.strictSame(await iterator.next(), { done: true, value: undefined })
    t.notOk(ended(), 'a generator that has not started has no cleanup to run')
  })

  t.test('an item that arrives later is not sent', async t => {
    const { feed, controller, sent } = sink()
    let give = (_item: string): void => {}
    const fed = feed({ [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: await new Promise<string>(resolve => { give = resolve }) }) }) })
    await nextTurn()
    controller.abort(gone)
    await t.rejects(fed, gone)
    give('late')
    await nextTurn()
    t.strictSame(sent, [])
  })

  t.test('an error while ending the source is reported', async t => {
    const { feed, controller, reports } = sink()
    const fed = feed((async function * () {
      try {
        yield 1
      } finally {
        throw new Error('at the end') // eslint-disable-line no-unsafe-finally -- the test is about that
      }
    })(), () => new Promise(() => {}))
    await nextTurn()
    controller.abort(gone)
    await t.rejects(fed, gone)
    await nextTurn()
    t.match(reports, [{ message: 'at the end' }])
  })
})

t.test('a silent source is closed when the signal aborts', async t => {
  /** Aborts while the source is silent, before and after its first item. */
  async function abortIn (t: Test, source: unknown, first: boolean): Promise<void> {
    const { feed, controller, sent, reports } = sink()
    const fed = feed(source)
    while (sent.length < (first ? 1 : 0)) await nextTurn()
    await nextTurn()
    const gone = new Error('gone')
    controller.abort(gone)
    await t.rejects(fed, gone)
    await nextTurn()
    t.strictSame(reports, [], 'closing it is not an error')
  }

  for (const first of [false, true]) {
    t.test(first ? 'after its first item' : 'before its first item', async t => {
      t.test('a Node.js stream', async t => {
        for (const stream of [new PassThrough(), new PassThrough({ objectMode: true }), new Duplex({ read () {} })]) {
          if (first) stream.push('a')
          await abortIn(t, stream, first)
          t.ok(stream.destroyed)
        }
      })

      t.test('a stream that only looks like a Node.js stream, as that of another package does', async t => {
        let destroyed = false
        const stream = {
          on: () => {},
          pipe: () => {},
          destroy: () => { destroyed = true },
          async * [Symbol.asyncIterator] () {
            if (first) yield 'a'
            await new Promise(() => {})
          }
        }
        await abortIn(t, stream, first)
        t.ok(destroyed)
      })

      t.test('a web stream', async t => {
        for (const type of [undefined, 'bytes'] as const) {
          let cancelled = false
          const stream = new ReadableStream({
            type: type as undefined,
            start: controller => { if (first) controller.enqueue(Uint8Array.of(97)) },
            cancel: () => { cancelled = true }
          })
          await abortIn(t, stream, first)
          t.ok(cancelled)
        }
      })

      t.test('the body of a fetch', async t => {
        const server = http.createServer((_request, response) => {
          response.flushHeaders()
          if (first) response.write('a')
        })
        t.teardown(() => server.close())
        await once(server.listen(0, '127.0.0.1'), 'listening')
        const requested = once(server, 'request')
        const { body } = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
        const [, response] = await requested
        const closed = once(response, 'close')
        await abortIn(t, body, first)
        await closed
        t.notOk(response.writableFinished)
      })

      t.test('the output of a child process', async t => {
        const child = spawn(process.execPath, ['-e', `${first ? 'process.stdout.write("a");' : ''} process.stdin.resume()`])
        t.teardown(() => child.kill())
        await abortIn(t, child.stdout, first)
        t.ok(child.stdout.destroyed)
      })

      t.test('a function that returns a stream', async t => {
        const stream = new PassThrough()
        if (first) stream.push('a')
        await abortIn(t, async () => stream, first)
        t.ok(stream.destroyed)
      })

      t.test('an async generator that passes the signal on', async t => {
        let ended = false
        await abortIn(t, async function * (signal: AbortSignal) {
          try {
            if (first) yield 'a'
            await once(new EventEmitter(), 'never', { signal })
          } catch {} finally {
            ended = true
          }
        }, first)
        t.ok(ended)
      })
    })
  }
})

t.test('a web stream is read to its end, or to its error', async t => {
  const numbers = (end: (controller: ReadableStreamDefaultController) => void): ReadableStream => {
    let count = 0
    return new ReadableStream({ pull: controller => { if (++count > 3) end(controller); else controller.enqueue(count) } })
  }
  await sends(t, numbers(controller => { controller.close() }), [1, 2, 3], 'to its end')
  const { feed, sent } = sink()
  await t.rejects(feed(numbers(controller => { controller.error(new Error('dry')) })), { message: 'dry' })
  t.strictSame(sent, [1, 2, 3])
})

t.test('a web stream that another reader has is rejected', async t => {
  const stream = new ReadableStream()
  stream.getReader()
  await t.rejects(sink().feed(stream), { code: 'ERR_INVALID_STATE' })
})

t.test('after an abort, nothing is sent', async t => {
  const { feed, controller, sent } = sink()
  controller.abort(new Error('gone'))
  const readable = Readable.from(['a'])
  await t.rejects(feed(readable), { message: 'gone' })
  t.ok(readable.destroyed, 'a source that was passed in is ended')
  await t.rejects(feed(() => t.fail('called')), { message: 'gone' }, 'a function is not called')
  t.strictSame(sent, [])
})

t.test('no listener is left on the signal', async t => {
  const { feed, controller } = sink()
  let listeners = 0
  const { addEventListener, removeEventListener } = controller.signal
  controller.signal.addEventListener = function (...args: Parameters<typeof addEventListener>) { listeners++; addEventListener.apply(this, args) }
  controller.signal.removeEventListener = function (...args: Parameters<typeof removeEventListener>) { listeners--; removeEventListener.apply(this, args) }
  await feed(['a'])
  await nextTurn()
  t.equal(listeners, 0)
})

t.test('resolves with what a generator returns, once everything is sent', async t => {
  const { sent, feed } = sink()
  t.equal(await feed(async function * () { yield 'a'; return 'result' }), 'result')
  t.equal(await feed((function * () { yield 'b'; return 7 })()), 7)
  t.equal(await feed(['c']), undefined)
  t.strictSame(sent, ['a', 'b', 'c'])
})
