import t from 'tap'
import { PullQueue } from '../../plugin/client/pull-queue.ts'

const PENDING = Symbol('pending')

/** The value of a promise, if it is settled within a few microtasks. */
async function valueNow (promise: Promise<unknown>): Promise<unknown> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  return await Promise.race([promise, Promise.resolve(PENDING)])
}

t.test('an item is passed on when it is pulled, and done when the next one is pulled', async t => {
  const queue = new PullQueue<number>()
  const pushed = queue.push(1)
  t.equal(await valueNow(pushed), PENDING)
  t.equal(await queue.pull(), 1)
  t.equal(await valueNow(pushed), PENDING)
  const second = queue.pull()
  await pushed
  t.equal(await valueNow(second), PENDING)
  queue.push(2)
  t.equal(await second, 2)
})

t.test('a pull waits for an item', async t => {
  const queue = new PullQueue<number>()
  const pulled = queue.pull()
  const pushed = queue.push(1)
  t.equal(await pulled, 1)
  t.equal(await valueNow(pushed), PENDING)
})

t.test('closing the queue settles every push and pull', async t => {
  const empty = new PullQueue<number>()
  const pulled = empty.pull()
  empty.close()
  t.equal(await pulled, undefined)
  t.equal(await empty.pull(), undefined)
  await empty.push(1)

  const full = new PullQueue<number>()
  const pushed = full.push(1)
  full.close()
  await pushed
  t.equal(await full.pull(), undefined)

  const busy = new PullQueue<number>()
  const first = busy.push(1)
  t.equal(await busy.pull(), 1)
  busy.close()
  await first
})
