import { getEventListeners } from 'node:events'
import t from 'tap'
import { DeltaStream } from '../../plugin/llm/delta-stream.ts'
import type { ModelDelta } from '../../plugin/llm/index.ts'
import { collect } from '../fixtures/upstream.ts'

const text = (text: string): ModelDelta => ({ type: 'text', text })
const END = { done: true, value: undefined }
const noop = (): void => {}

t.test('deltas resolve pending reads, and are queued if there are none', async t => {
  const stream = new DeltaStream(undefined, noop)
  t.notOk(stream.hasPushed)
  const pending = [stream.next(), stream.next()]
  t.ok(stream.hasDemand)
  for (const word of ['a', 'b', 'c', 'd']) stream.push(text(word))
  t.ok(stream.hasPushed)
  t.notOk(stream.hasDemand)
  t.strictSame((await Promise.all(pending)).map(({ value }) => value), [text('a'), text('b')])
  stream.end()
  t.strictSame(await collect(stream), { deltas: [text('c'), text('d')], text: 'cd', error: undefined })
  t.strictSame(await stream.next(), END)
})

t.test('the stream starts once, when the first delta is requested', async t => {
  let started = 0
  const stream = new DeltaStream(undefined, () => { started++ })
  t.equal(started, 0)
  const next = stream.next()
  stream.next()
  t.equal(started, 1)
  stream.end()
  t.strictSame(await next, END)
})

t.test('a stream that is returned before its first read never starts', async t => {
  const stream = new DeltaStream(undefined, () => { t.fail('started') })
  t.strictSame(await stream.return(), END)
  t.strictSame(await stream.next(), END)
})

t.test('onDemand is called for each read of an empty queue', async t => {
  let calls = 0
  const stream = new DeltaStream(undefined, noop)
  stream.onDemand = () => { calls++ }
  stream.next()
  t.equal(calls, 1)
  stream.push(text('a'))
  stream.push(text('b'))
  await stream.next()
  t.equal(calls, 1, 'not if a delta is queued')
  stream.next()
  t.equal(calls, 2)
  stream.end()
  await stream.next()
  t.equal(calls, 2, 'not after the end')
})

t.test('a failure rejects once, after the queued deltas', async t => {
  const stream = new DeltaStream(undefined, stream => {
    stream.push(text('a'))
    stream.fail(new Error('failed'))
    stream.fail(new Error('too late'))
    stream.end()
  })
  t.strictSame(await stream.next(), { done: false, value: text('a') })
  await t.rejects(stream.next(), { message: 'failed' })
  t.strictSame(await stream.next(), END)
})

t.test('a failure rejects the first pending read and ends the others', async t => {
  const stream = new DeltaStream(undefined, noop)
  const pending = [stream.next(), stream.next()]
  stream.fail(new Error('failed'))
  t.match(await Promise.allSettled(pending), [{ status: 'rejected', reason: { message: 'failed' } }, { status: 'fulfilled', value: END }])
})

t.test('return() ends the stream immediately, even with a pending read', async t => {
  const stream = new DeltaStream(undefined, noop)
  const pending = stream.next()
  t.strictSame(await stream.return(), END)
  t.strictSame(await pending, END)
  t.ok(stream.cancelled)
  t.strictSame(await stream.return(), END, 'can be called again')
})

t.test('return() and disposal discard queued deltas and the failure after them', async t => {
  for (const close of [async (stream: DeltaStream) => { await stream.return() }, async (stream: DeltaStream) => { await stream[Symbol.asyncDispose]() }]) {
    const stream = new DeltaStream(undefined, stream => {
      for (const word of ['a', 'b']) stream.push(text(word))
      stream.fail(new Error('failed'))
    })
    await stream.next()
    await close(stream)
    t.ok(stream.cancelled)
    t.strictSame(await stream.next(), END)
  }
})

t.test('leaving a for await loop cancels the stream', async t => {
  const stream = new DeltaStream(undefined, stream => { stream.push(text('a')) })
  for await (const delta of stream) if (delta.type === 'text') break
  t.ok(stream.cancelled)
})

t.test('throw() cancels the stream and rejects with its argument', async t => {
  const stream = new DeltaStream(undefined, noop)
  const pending = stream.next()
  await t.rejects(stream.throw(new Error('enough')), { message: 'enough' })
  t.strictSame(await pending, END)
  t.ok(stream.cancelled)
})

t.test('an aborted signal', async t => {
  const reason = new Error('aborted')

  t.test('rejects the first read without starting the stream', async t => {
    const stream = new DeltaStream(AbortSignal.abort(reason), () => { t.fail('started') })
    await t.rejects(stream.next(), reason)
    t.strictSame(await stream.next(), END)
  })

  t.test('rejects a pending read', async t => {
    const controller = new AbortController()
    const stream = new DeltaStream(controller.signal, noop)
    const pending = stream.next()
    controller.abort(reason)
    await t.rejects(pending, reason)
    t.ok(stream.cancelled)
    stream.push(text('late'))
    stream.end()
    t.strictSame(await stream.next(), END)
  })

  t.test('discards queued deltas and the failure after them', async t => {
    for (const end of [noop, (stream: DeltaStream) => { stream.end() }, (stream: DeltaStream) => { stream.fail(new Error('failed')) }]) {
      const controller = new AbortController()
      const stream = new DeltaStream(controller.signal, stream => {
        for (const word of ['a', 'b']) stream.push(text(word))
        end(stream)
      })
      await stream.next()
      controller.abort(reason)
      await t.rejects(stream.next(), reason)
      t.strictSame(await stream.next(), END)
    }
  })

  t.test('has no effect after the end', async t => {
    const controller = new AbortController()
    const stream = new DeltaStream(controller.signal, stream => { stream.end() })
    t.strictSame(await stream.next(), END)
    controller.abort(reason)
    t.strictSame(await stream.next(), END)
    t.notOk(stream.cancelled)
  })
})

t.test('the signal has a listener only from the start to the end of the stream', async t => {
  const { signal } = new AbortController()
  for (const end of [(stream: DeltaStream) => { stream.end() }, (stream: DeltaStream) => { stream.fail(new Error('failed')) }, (stream: DeltaStream) => { stream.return() }]) {
    const stream = new DeltaStream(signal, noop)
    t.equal(getEventListeners(signal, 'abort').length, 0)
    const next = stream.next()
    t.equal(getEventListeners(signal, 'abort').length, 1)
    end(stream)
    await next.catch(() => {})
    t.equal(getEventListeners(signal, 'abort').length, 0)
  }
})
