import { on, EventEmitter } from 'node:events'
import { Readable } from 'node:stream'
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
  await t.rejects(sink().feed('text'), { message: /; received "text"$/ })
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
