import t from 'tap'
import { Callbacks, isThenable } from '../../plugin/base/callbacks.ts'

const nobody = (error: unknown): void => { throw error }

t.test('callbacks run in order, with what happened', async t => {
  const callbacks = new Callbacks<[number, string]>()
  const ran: unknown[] = []
  callbacks.add((a, b) => { ran.push(1, a, b) }, nobody)
  callbacks.add(() => { ran.push(2) }, nobody)
  callbacks.call([7, 'x'], nobody)
  t.strictSame(ran, [1, 7, 'x', 2])
  callbacks.call([8, 'y'], nobody)
  t.strictSame(ran, [1, 7, 'x', 2, 1, 8, 'y', 2], 'and again')
  t.equal(callbacks.done, false)
})

t.test('one that is added after the last call runs at once', async t => {
  const callbacks = new Callbacks<[string]>()
  const ran: string[] = []
  callbacks.add(what => { ran.push(what) }, nobody)
  t.strictSame(callbacks.finish(['last'], nobody), [], 'none is busy')
  t.equal(callbacks.done, true)
  callbacks.add(what => { ran.push(`late: ${what}`) }, nobody)
  t.strictSame(ran, ['last', 'late: last'])
})

t.test('one that throws or rejects is reported and starves nobody', async t => {
  const callbacks = new Callbacks<[]>()
  const errors: unknown[] = []
  const ran: number[] = []
  const report = (error: unknown): void => { errors.push(error) }
  for (const callback of [
    () => { throw new Error('thrown') },
    async () => { throw new Error('rejected') },
    () => { ran.push(1) },
    async () => { ran.push(2) }
  ]) callbacks.add(callback, report)
  const busy = callbacks.finish([], report)
  t.strictSame(ran, [1, 2])
  t.equal(busy.length, 2)
  await Promise.all(busy)
  t.match(errors, [{ message: 'thrown' }, { message: 'rejected' }])
})

t.test('a thenable is what has a then to call', async t => {
  for (const value of [Promise.resolve(), { then: () => {} }, Object.assign(() => {}, { then: () => {} })]) t.ok(isThenable(value))
  for (const value of [undefined, null, 5, 'then', {}, { then: 5 }]) t.notOk(isThenable(value))
})
