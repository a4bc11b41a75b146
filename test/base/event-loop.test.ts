import t from 'tap'
import { atEndOfTick, atEndOfTurn, nextTurn } from '../../plugin/base/event-loop.ts'

t.test('tasks run once at the end of the turn, in order', async t => {
  const calls: string[] = []
  atEndOfTurn({ endTurn: () => { calls.push('a') } })
  atEndOfTurn({ endTurn: () => { calls.push('b') } })
  await Promise.resolve()
  t.strictSame(calls, [], 'promise jobs run before the end of the turn')
  await nextTurn()
  t.strictSame(calls, ['a', 'b'])
  await nextTurn()
  t.strictSame(calls, ['a', 'b'])
})

t.test('a task that schedules itself runs in the next turn', async t => {
  const calls: number[] = []
  const task = { endTurn: () => { if (calls.push(calls.length) < 3) atEndOfTurn(task) } }
  atEndOfTurn(task)
  await nextTurn()
  t.strictSame(calls, [0])
  await nextTurn()
  await nextTurn()
  t.strictSame(calls, [0, 1, 2])
})

t.test('in a promise job, the tick ends after all waiting promise jobs and before the turn', async t => {
  const calls: string[] = []
  const task = { endTick: () => { calls.push('tick') }, endTurn: () => { calls.push('turn') } }
  await nextTurn()
  atEndOfTurn(task)
  atEndOfTick(task)
  await Promise.resolve().then(() => Promise.resolve())
  calls.push('promise job')
  await nextTurn()
  t.strictSame(calls, ['promise job', 'tick', 'turn'])
})

t.test('in a callback, the tick ends before the next callback of the same turn', async t => {
  const calls: string[] = []
  await new Promise<void>(resolve => {
    setImmediate(() => {
      atEndOfTick({ endTick: () => { calls.push('tick') } })
      calls.push('callback')
    })
    setImmediate(() => {
      calls.push('next callback')
      resolve()
    })
  })
  t.strictSame(calls, ['callback', 'tick', 'next callback'])
})

t.test('a task that throws does not stop the others, and becomes a warning', async t => {
  const warnings = t.capture(process, 'emitWarning')
  const calls: string[] = []
  const fail = (): never => { throw new Error('boom') }
  atEndOfTick({ endTick: fail })
  atEndOfTurn({ endTurn: fail })
  atEndOfTurn({ endTurn: () => { calls.push('turn') } })
  await nextTurn()
  t.strictSame(calls, ['turn'])
  t.match(warnings.args(), [[/^A task threw: Error: boom/], [/^A task threw: Error: boom/]])
})

t.test('turns end even if a test fakes setImmediate', async t => {
  t.intercept(globalThis, 'setImmediate', { value: () => {} })
  let ended = 0
  atEndOfTurn({ endTurn: () => { ended++ } })
  await nextTurn()
  t.equal(ended, 1)
})
