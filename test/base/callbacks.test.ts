import t from 'tap'
import { Callbacks, decision, isThenable, notify, notPromise } from '../../plugin/base/callbacks.ts'
import { detailed } from '../fixtures/detailed.ts'

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

t.test('a callback of which nothing is expected may throw or reject', async t => {
  const errors: unknown[] = []
  const report = (error: unknown): void => { errors.push(error) }
  const args: unknown[] = []
  notify((...all) => { args.push(all) }, [1, 2], report)
  notify(() => { throw new Error('thrown') }, [], report)
  notify(async () => { throw new Error('rejected') }, [], report)
  notify(() => ({ get then () { throw new Error('read') } }), [], report)
  await new Promise(resolve => { setImmediate(resolve) })
  t.strictSame(args, [[1, 2]])
  t.match(errors, [{ message: 'thrown' }, { message: 'read' }, { message: 'rejected' }])
})

t.test('a promise is no result, and its rejection does not end the process', async t => {
  for (const value of [undefined, null, '', 0, {}, () => {}]) t.equal(notPromise(value, 'key', 'a string'), value)
  for (const value of [Promise.resolve('x'), Promise.reject(new Error('lost')), { then () { throw new Error('lost') } }]) {
    t.throws(() => notPromise(value, 'key', 'a string'), { code: 'SSE_ERR_CALLBACK', ...detailed('The callback `key` must return a string; it returned a promise') })
  }
  await new Promise(resolve => { setImmediate(resolve) })
})

t.test('a decision is any value but a promise', async t => {
  for (const [value, result] of [[true, true], [false, false], [1, true], ['', false], [undefined, false], [{}, true]] as const) t.equal(decision(value, 'filter'), result)
  t.throws(() => decision(Promise.resolve(false), 'filter'), { ...detailed('The callback `filter` must return true or false; it returned a promise') })
})

t.test('a callback that is not a function is refused', async t => {
  for (const callback of [undefined, null, 5, {}]) t.throws(() => new Callbacks().add(callback as unknown as () => void, rethrow), { code: 'SSE_ERR_OPTION', message: /^A callback must be a function$/, detail: /^received / })
})
