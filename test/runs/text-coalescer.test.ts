import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { Deferred } from '../../plugin/base/deferred.ts'
import { TextCoalescer } from '../../plugin/runs/text-coalescer.ts'
import type { SsePayload } from '../../plugin/wire/entry.ts'
import type { SseFields } from '../../plugin/wire/event.ts'
import { mockClock } from '../fixtures/clock.ts'
import { settle } from '../fixtures/runs.ts'

type Item = readonly [data: unknown, fields?: SseFields]

/** Joins what is yielded within 25 ms. */
function setup (t: Test, { advance } = mockClock(t)) {
  const published: Item[] = []
  const errors: unknown[] = []
  let isFull = false
  let publishing: Promise<void> | undefined
  const coalescer = new TextCoalescer(25, {
    admit: (data, fields) => isFull ? undefined : { data: JSON.stringify([data, fields]) },
    publish: async ({ data }: SsePayload) => {
      await publishing
      const [value, fields] = JSON.parse(data!)
      published.push(fields == null ? [value] : [value, fields])
    },
    fail: error => { errors.push(error) }
  })
  return {
    coalescer,
    published,
    errors,
    fill: (full = true) => { isFull = full },
    /** Makes publications wait for a promise. */
    hold: (promise: Promise<void> | undefined) => { publishing = promise },
    send: (...items: Item[]) => items.map(([data, fields]) => coalescer.send(data, fields)),
    wait: async (ms: number) => {
      advance(ms)
      await settle(2)
    }
  }
}

const delta = (text: string): Item => [{ text }, { event: 'delta' }]

t.test('text that follows within the interval is joined, and the first text after a pause does not wait', async t => {
  const { send, wait, published } = setup(t)
  send(delta('a'), delta('b'), delta('c'))
  await wait(0)
  t.strictSame(published, [delta('a')])
  await wait(20)
  send(delta('d'))
  t.equal(published.length, 1)
  await wait(5)
  t.strictSame(published, [delta('a'), delta('bcd')])
  await wait(24)
  send(delta('e'))
  await wait(0)
  t.equal(published.length, 2)
  await wait(1)
  t.strictSame(published.at(-1), delta('e'))
  await wait(25)
  send(delta('f'))
  await wait(0)
  t.strictSame(published.at(-1), delta('f'))
})

t.test('text that was published before the interval has ended begins another interval', async t => {
  const { send, wait, published } = setup(t)
  send(['a'], ['b'])
  await wait(20)
  send([1], ['c'])
  await wait(24)
  t.strictSame(published, [['a'], ['b'], [1]])
  await wait(1)
  t.strictSame(published.at(-1), ['c'])
})

t.test('only text that differs in nothing else is joined, and the order is kept', async t => {
  const object = { text: 'x' }
  const alone: Item[] = [
    [1], [null], [[]], [{ n: 1 }], [{ text: 1 }], [{ text: 'x', more: {} }], [{ text: 'x', more: [] }], [new Date(0)], [Object.create(object)],
    ['x', { event: 'delta', comment: 'c' }], ['x', { retry: 1 }], [{ text: 'x' }, { comment: '' }]
  ]
  for (const item of alone) {
    const { send, published } = setup(t)
    send(delta('a'), delta('b'), item, item, delta('c'))
    await settle(2)
    const sent = JSON.parse(JSON.stringify(item))
    t.strictSame(published, [delta('a'), delta('b'), sent, sent], JSON.stringify(item))
  }
  const pairs: Array<[Item, Item]> = [
    [['a'], ['b', { event: 'delta' }]],
    [['a'], [{ text: 'b' }]],
    [[{ text: 'a' }], ['b']],
    [[{ text: 'a' }], [{ text: 'b', index: 1 }]],
    [[{ text: 'a', index: 1 }], [{ text: 'b' }]],
    [[{ text: 'a', index: 1 }], [{ text: 'b', index: 2 }]],
    [[{ text: 'a', index: undefined }], [{ text: 'b', id: undefined }]],
    [delta('a'), [{ text: 'b' }, { event: 'reasoning' }]]
  ]
  for (const [first, second] of pairs) {
    const { send, published, wait } = setup(t)
    send(first, first, second)
    await wait(25)
    t.strictSame(published, JSON.parse(JSON.stringify([first, first, second])), JSON.stringify([first, second]))
  }
})

t.test('text with the same other properties is joined, whatever their order', async t => {
  const { send, published, wait } = setup(t)
  send(['a'], ['b'], ['c', {}], ['d', { event: undefined }])
  send([{ index: 1, text: 'a' }], [{ text: 'b', index: 1 }], [Object.assign(Object.create(null), { index: 1, text: 'c' })])
  await wait(25)
  t.strictSame(published, [['a'], ['bcd'], [{ index: 1, text: 'abc' }]])
})

t.test('the two halves of a character are joined', async t => {
  const { send, published, wait } = setup(t)
  send(['x'], ['\ud83d'], ['\ude00'])
  await wait(25)
  t.strictSame(published, [['x'], ['😀']])
})

t.test('a producer may use one object for all of its items', async t => {
  const { send, published, wait } = setup(t)
  const data = { text: 'a', index: 1 }
  send([data], [data])
  data.text = 'b'
  send([data])
  Object.assign(data, { text: 'c', index: 2 })
  send([data])
  data.text = 'd'
  await wait(25)
  t.strictSame(published, [[{ text: 'a', index: 1 }], [{ text: 'ab', index: 1 }], [{ text: 'c', index: 2 }]])
})

t.test('while an item is being published, the text that follows is joined, also after the interval', async t => {
  const { send, hold, published, wait } = setup(t)
  const publishing = new Deferred<void>()
  hold(publishing.promise)
  const [first] = send(delta('a'))
  let isFirstPublished = false
  first!.then(() => { isFirstPublished = true })
  send(delta('b'))
  await wait(100)
  send(delta('c'))
  await wait(100)
  t.strictSame([published, isFirstPublished], [[], false])
  publishing.resolve()
  await wait(0)
  t.strictSame(published, [delta('a'), delta('bc')])
})

t.test('the producer waits for the text before another item, and at 16,384 characters', async t => {
  const { send, hold, published, wait } = setup(t)
  send(delta('a'))
  await settle(1)
  const publishing = new Deferred<void>()
  hold(publishing.promise)
  t.strictSame(send(delta('x'.repeat(16_383))), [undefined])
  const rooms = send(delta('y'), delta('b'), [{ text: 'c' }], [1])
  t.strictSame(rooms.map(room => room !== undefined), [true, false, true, true])
  let done = 0
  for (const room of rooms) room?.then(() => { done++ })
  await wait(100)
  t.strictSame([done, published.length], [0, 1])
  publishing.resolve()
  await wait(100)
  t.equal(done, 3)
  t.strictSame(published.slice(1), [delta('x'.repeat(16_383) + 'y'), delta('b'), [{ text: 'c' }], [1]])
})

t.test('a producer that never waits does not block the event loop', async t => {
  const { send } = setup(t)
  send(['a'], ['b'])
  let turns = 0
  nextTurn().then(() => { turns++ })
  for (let items = 0; items < 256; items++) await send(['x'])[0]
  t.equal(turns, 1)
})

t.test('an error of a held item fails the run at the end of the interval, and one of the next item is thrown to its producer', async t => {
  const { coalescer, errors, published, wait, send } = setup(t)
  send(['a'])
  await settle(1)
  send([{ text: 'b', n: 1n }])
  await wait(25)
  t.match(errors, [TypeError])
  t.strictSame(published, [['a']])
  t.throws(() => coalescer.send({ n: 1n }, undefined), TypeError)
  send([{ text: 'b', n: 1n }])
  t.throws(() => coalescer.send('c', undefined), TypeError)
  send([{ text: 'b', n: 1n }])
  await coalescer.flushBeforeEnd()
  t.equal(errors.length, 1)
})

t.test('an item that the broker rejects fails the calls that wait for it, and all later ones', async t => {
  const { coalescer, errors, hold, wait, send } = setup(t)
  hold(Promise.reject(new Error('refused')))
  await t.rejects(send(['a'])[0]!, { message: 'refused' })
  send(['b'])
  await wait(25)
  t.match(errors, [{ message: 'refused' }])
  await t.rejects(coalescer.flush(), { message: 'refused' })
  await coalescer.flushBeforeEnd()
})

t.test('an item that exceeds a limit, and discarded text, are not published', async t => {
  const { coalescer, fill, published, wait, send } = setup(t)
  send(['a'], ['b'])
  coalescer.discard()
  await wait(100)
  t.strictSame(published, [['a']])
  fill()
  await send(['c'])[0]
  t.strictSame(published, [['a']])
})

t.test('strings that may be JSON are not joined', async t => {
  const { send, wait, published } = setup(t)
  const documents: Item[] = ['{"n":1}', '{"n":2}', '[3]', '[DONE]', '"a"', '"b"', '{}'].map(text => [text])
  send(['x'], ...documents, ['"'], ['{'], ['"y" '], [''])
  await wait(25)
  t.strictSame(published, [['x'], ...documents, ['"{"y" ']])
})

t.test('nothing follows an item that exceeds a limit', async t => {
  const { coalescer, fill, published, wait, send } = setup(t)
  send(['a'], ['too long'])
  fill(true)
  send([1])
  fill(false)
  await wait(25)
  await coalescer.flushBeforeEnd()
  t.strictSame(published, [['a']])
})

t.test('whatever is yielded at whatever time, the same text is published in the same order, not later than the interval', async t => {
  const item = fc.tuple(fc.constantFrom<Item>(['a'], ['b'], delta('c'), delta('d'), [{ text: 'e', i: 1 }], [{ text: 'f', i: 2 }], [{ n: 1 }]), fc.constantFrom(0, 0, 0, 10, 30))
  /** Joins all neighbors of the same kind. */
  const normalize = (items: readonly Item[]): unknown[] => {
    const kinds: Array<{ kind: string, text: string }> = []
    for (const [data, fields] of items) {
      const text = typeof data === 'string' ? data : (data as { text?: string }).text ?? '#'
      const kind = JSON.stringify([typeof data === 'string' ? '' : { ...data as object, text: '' }, fields])
      if (kinds.at(-1)?.kind === kind) kinds.at(-1)!.text += text
      else kinds.push({ kind, text })
    }
    return kinds
  }
  const clock = mockClock(t)
  await fc.assert(fc.asyncProperty(fc.array(item, { maxLength: 30 }), async items => {
    const { send, wait, published, coalescer } = setup(t, clock)
    const yielded: Item[] = []
    for (const [one, pause] of items) {
      yielded.push(one)
      await send(one)[0]
      await wait(pause)
      if (pause > 25) assert.deepEqual(normalize(published), normalize(yielded))
    }
    await coalescer.flushBeforeEnd()
    assert.deepEqual(normalize(published), normalize(yielded))
  }), { numRuns: 100 })
})
