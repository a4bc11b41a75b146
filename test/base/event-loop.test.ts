import t from 'tap'
import { atEndOfTick, atEndOfTurn } from '../../plugin/base/event-loop.ts'

const nextTurn = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })

t.test('a task runs when the turn is over, once for each time it was asked for', async t => {
  const ran: string[] = []
  const a = { endTurn: () => { ran.push('a') } }
  const b = { endTurn: () => { ran.push('b') } }
  atEndOfTurn(a)
  atEndOfTurn(b)
  await Promise.resolve()
  t.strictSame(ran, [], 'microtasks belong to the turn')
  await nextTurn()
  t.strictSame(ran, ['a', 'b'])
  await nextTurn()
  t.strictSame(ran, ['a', 'b'])
})

t.test('what a task asks for comes in the next turn', async t => {
  const ran: number[] = []
  const task = { endTurn: () => { if (ran.push(ran.length) < 3) atEndOfTurn(task) } }
  atEndOfTurn(task)
  await nextTurn()
  t.strictSame(ran, [0])
  await nextTurn()
  await nextTurn()
  t.strictSame(ran, [0, 1, 2])
})

t.test('the end of a callback comes before that of the turn, and after all that was settled', async t => {
  const ran: string[] = []
  const task = { endTick: () => { ran.push('tick') }, endTurn: () => { ran.push('turn') } }
  await nextTurn()
  atEndOfTurn(task)
  atEndOfTick(task)
  await Promise.resolve().then(() => Promise.resolve())
  ran.push('settled')
  await nextTurn()
  t.strictSame(ran, ['settled', 'tick', 'turn'])
})
