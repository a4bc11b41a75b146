import { getEventListeners } from 'node:events'
import t from 'tap'
import type { ModelDelta } from '../../plugin/llm/index.ts'
import { DeltaStream } from '../../plugin/llm/delta-stream.ts'
import { collect } from '../fixtures/upstream.ts'

const text = (text: string): ModelDelta => ({ type: 'text', text })
const END = { done: true, value: undefined }
const noop = (): void => {}

t.test('deltas come as they are asked for, and before they are', async t => {
  const stream = new DeltaStream(undefined, noop)
  t.equal(stream.begun, false)
  const early = [stream.next(), stream.next()]
  t.ok(stream.waiting)
  for (const word of ['a', 'b', 'c', 'd']) stream.push(text(word))
  t.ok(stream.begun)
  t.notOk(stream.waiting)
  t.strictSame((await Promise.all(early)).map(({ value }) => value), [text('a'), text('b')])
  stream.end()
  t.strictSame(await collect(stream), { deltas: [text('c'), text('d')], text: 'cd', error: undefined })
  t.strictSame(await stream.next(), END)
})

t.test('it begins when the first is asked for', async t => {
  let begun = 0
  const stream = new DeltaStream(undefined, () => { begun++ })
  t.equal(begun, 0)
  const next = stream.next()
  stream.next()
  t.equal(begun, 1)
  stream.end()
  t.strictSame(await next, END)

  const unasked = new DeltaStream(undefined, () => { t.fail('begun') })
  t.strictSame(await unasked.return(), END)
  t.strictSame(await unasked.next(), END)
})

t.test('whoever waits for nothing is heard of', async t => {
  let wanted = 0
  const stream = new DeltaStream(undefined, noop)
  stream.onWanted = () => { wanted++ }
  stream.next()
  t.equal(wanted, 1)
  stream.push(text('a'))
  stream.push(text('b'))
  await stream.next()
  t.equal(wanted, 1, 'not where there is something')
  stream.next()
  t.equal(wanted, 2)
  stream.end()
  await stream.next()
  t.equal(wanted, 2, 'not after the end')
})

t.test('an error comes behind what there is, once', async t => {
  const stream = new DeltaStream(undefined, stream => {
    stream.push(text('a'))
    stream.fail(new Error('dry'))
    stream.fail(new Error('too late'))
    stream.end()
  })
  t.strictSame(await stream.next(), { done: false, value: text('a') })
  await t.rejects(stream.next(), { message: 'dry' })
  t.strictSame(await stream.next(), END)
})

t.test('an error comes to the first who waits, and the end to the others', async t => {
  const stream = new DeltaStream(undefined, noop)
  const waiting = [stream.next(), stream.next()]
  stream.fail(new Error('dry'))
  t.match(await Promise.allSettled(waiting), [{ status: 'rejected', reason: { message: 'dry' } }, { status: 'fulfilled', value: END }])
})

t.test('return() ends it at once, though somebody waits', async t => {
  const stream = new DeltaStream(undefined, noop)
  const waiting = stream.next()
  t.strictSame(await stream.return(), END)
  t.strictSame(await waiting, END)
  t.ok(stream.stopped.aborted)
  t.strictSame(await stream.return(), END, 'and may be called again')
})

t.test('who leaves gets nothing of what there is, not even an error', async t => {
  for (const leave of [async (stream: DeltaStream) => { await stream.return() }, async (stream: DeltaStream) => { await stream[Symbol.asyncDispose]() }]) {
    const stream = new DeltaStream(undefined, stream => {
      for (const word of ['a', 'b']) stream.push(text(word))
      stream.fail(new Error('dry'))
    })
    await stream.next()
    await leave(stream)
    t.ok(stream.stopped.aborted)
    t.strictSame(await stream.next(), END)
  }
})

t.test('a loop that is left ends it', async t => {
  const stream = new DeltaStream(undefined, stream => { stream.push(text('a')) })
  for await (const delta of stream) if (delta.type === 'text') break
  t.ok(stream.stopped.aborted)
})

t.test('throw() ends it as well', async t => {
  const stream = new DeltaStream(undefined, noop)
  const waiting = stream.next()
  await t.rejects(stream.throw(new Error('enough')), { message: 'enough' })
  t.strictSame(await waiting, END)
  t.ok(stream.stopped.aborted)
})

t.test('when its signal aborts, it rejects with the reason', async t => {
  const gone = new Error('gone')

  t.test('before it began', async t => {
    const stream = new DeltaStream(AbortSignal.abort(gone), () => { t.fail('begun') })
    await t.rejects(stream.next(), gone)
    t.strictSame(await stream.next(), END)
  })

  t.test('while somebody waits', async t => {
    const controller = new AbortController()
    const stream = new DeltaStream(controller.signal, noop)
    const waiting = stream.next()
    controller.abort(gone)
    await t.rejects(waiting, gone)
    t.ok(stream.stopped.aborted)
    stream.push(text('late'))
    stream.end()
    t.strictSame(await stream.next(), END)
  })

  t.test('before what there is', async t => {
    for (const end of [noop, (stream: DeltaStream) => { stream.end() }, (stream: DeltaStream) => { stream.fail(new Error('dry')) }]) {
      const controller = new AbortController()
      const stream = new DeltaStream(controller.signal, stream => {
        for (const word of ['a', 'b']) stream.push(text(word))
        end(stream)
      })
      await stream.next()
      controller.abort(gone)
      await t.rejects(stream.next(), gone)
      t.strictSame(await stream.next(), END)
    }
  })

  t.test('not after the end', async t => {
    const controller = new AbortController()
    const stream = new DeltaStream(controller.signal, stream => { stream.end() })
    t.strictSame(await stream.next(), END)
    controller.abort(gone)
    t.strictSame(await stream.next(), END)
    t.notOk(stream.stopped.aborted)
  })
})

t.test('nothing is left on its signal', async t => {
  const { signal } = new AbortController()
  for (const end of [(stream: DeltaStream) => { stream.end() }, (stream: DeltaStream) => { stream.fail(new Error('dry')) }, (stream: DeltaStream) => { stream.return() }]) {
    const stream = new DeltaStream(signal, noop)
    t.equal(getEventListeners(signal, 'abort').length, 0, 'nor before it is asked')
    const next = stream.next()
    t.equal(getEventListeners(signal, 'abort').length, 1)
    end(stream)
    await next.catch(() => {})
    t.equal(getEventListeners(signal, 'abort').length, 0)
  }
})
