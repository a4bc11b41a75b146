import t from 'tap'
import { Deferred } from '../../plugin/base/deferred.ts'

t.test('a deferred settles from outside', async t => {
  const resolved = new Deferred<number>()
  resolved.resolve(7)
  t.equal(await resolved.promise, 7)
  const rejected = new Deferred<void>()
  rejected.reject(new Error('no'))
  await t.rejects(rejected.promise, { message: 'no' })
})

t.test('a rejection that nobody awaits does nothing', async t => {
  const unhandled = (): void => { t.fail('unhandled') }
  process.on('unhandledRejection', unhandled)
  new Deferred<void>().reject(new Error('no'))
  await new Promise(resolve => { setImmediate(resolve) })
  process.off('unhandledRejection', unhandled)
})
