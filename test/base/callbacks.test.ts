import t from 'tap'
import { Callbacks, isThenable } from '../../plugin/base/callbacks.ts'

const rethrow = (error: unknown): void => { throw error }

t.test('callbacks run in order on every call', async t => {
  const callbacks = new Callbacks<[number, string]>()
  const calls: unknown[] = []
  callbacks.add((a, b) => { calls.push(['first', a, b]) }, rethrow)
  callbacks.add(() => { calls.push('second') }, rethrow)
  callbacks.call([7, 'x'], rethrow)
  t.strictSame(calls, [['first', 7, 'x'], 'second'])
  callbacks.call([8, 'y'], rethrow)
  t.strictSame(calls, [['first', 7, 'x'], 'second', ['first', 8, 'y'], 'second'])
  t.equal(callbacks.done, false)
})

t.test('a callback that is added after the final call runs immediately', async t => {
  const callbacks = new Callbacks<[string]>()
  const calls: string[] = []
  callbacks.add(arg => { calls.push(arg) }, rethrow)
  t.strictSame(callbacks.finish(['end'], rethrow), [], 'no callback returned a promise')
  t.equal(callbacks.done, true)
  callbacks.add(arg => { calls.push(`late: ${arg}`) }, rethrow)
  t.strictSame(calls, ['end', 'late: end'])
})

t.test('the final call may precede the first callback', async t => {
  const callbacks = new Callbacks<[string]>(['end'])
  const calls: string[] = []
  t.equal(callbacks.done, true)
  callbacks.add(arg => { calls.push(arg) }, rethrow)
  t.strictSame(calls, ['end'])
})

t.test('the final call runs each callback once', async t => {
  const callbacks = new Callbacks<[]>()
  let calls = 0
  callbacks.add(() => { calls++ }, rethrow)
  callbacks.finish([], rethrow)
  callbacks.finish([], rethrow)
  t.equal(calls, 1)
})

t.test('a callback that throws or rejects is reported, and the others run', async t => {
  const callbacks = new Callbacks<[]>()
  const errors: unknown[] = []
  const calls: string[] = []
  const report = (error: unknown): void => { errors.push(error) }
  for (const callback of [
    () => { throw new Error('thrown') },
    async () => { throw new Error('rejected') },
    () => { calls.push('sync') },
    async () => { calls.push('async') }
  ]) callbacks.add(callback, report)
  const pending = callbacks.finish([], report)
  t.strictSame(calls, ['sync', 'async'])
  t.equal(pending.length, 2)
  await Promise.all(pending)
  t.match(errors, [{ message: 'thrown' }, { message: 'rejected' }])
})

t.test('a value is thenable if it has a then method', async t => {
  for (const value of [Promise.resolve(), { then: () => {} }, Object.assign(() => {}, { then: () => {} })]) t.ok(isThenable(value))
  for (const value of [undefined, null, 5, 'then', {}, { then: 5 }]) t.notOk(isThenable(value))
})
