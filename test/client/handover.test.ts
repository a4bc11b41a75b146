import t from 'tap'
import { Handover } from '../../plugin/client/handover.ts'

/** What has become of a promise by now. */
async function now (promise: Promise<unknown>): Promise<unknown> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  return await Promise.race([promise, Promise.resolve('nothing yet')])
}

t.test('an item is given when it is asked for, and done with when another one is', async t => {
  const handover = new Handover<number>()
  const given = handover.give(1)
  t.equal(await now(given), 'nothing yet')
  t.equal(await handover.take(), 1)
  t.equal(await now(given), 'nothing yet')
  const second = handover.take()
  await given
  t.equal(await now(second), 'nothing yet')
  handover.give(2)
  t.equal(await second, 2)
})

t.test('who asks first waits for an item', async t => {
  const handover = new Handover<number>()
  const taken = handover.take()
  const given = handover.give(1)
  t.equal(await taken, 1)
  t.equal(await now(given), 'nothing yet')
})

t.test('the end lets go of all who wait', async t => {
  const taking = new Handover<number>()
  const taken = taking.take()
  taking.end()
  t.equal(await taken, undefined)
  t.equal(await taking.take(), undefined)
  await taking.give(1)

  const giving = new Handover<number>()
  const given = giving.give(1)
  giving.end()
  await given
  t.equal(await giving.take(), undefined)

  const busy = new Handover<number>()
  const first = busy.give(1)
  t.equal(await busy.take(), 1)
  busy.end()
  await first
})
