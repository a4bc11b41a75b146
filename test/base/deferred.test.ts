import t from 'tap'
import { Deferred, handledRejection } from '../../plugin/base/deferred.ts'

t.test('resolve and reject settle the promise', async t => {
  const resolved = new Deferred<number>()
  resolved.resolve(7)
  t.equal(await resolved.promise, 7)
  const rejected = new Deferred<void>()
  rejected.reject(new Error('no'))
  await t.rejects(rejected.promise, { message: 'no' })
})

t.test('handledRejection() returns a rejected promise', async t => {
  await t.rejects(handledRejection(new Error('no')), { message: 'no' })
})

t.test('a rejection without a handler emits no unhandledRejection', async t => {
  const onUnhandled = (): void => { t.fail('unhandledRejection') }
  process.on('unhandledRejection', onUnhandled)
  new Deferred<void>().reject(new Error('no'))
  handledRejection(new Error('no'))
  await new Promise(resolve => { setImmediate(resolve) })
  process.off('unhandledRejection', onUnhandled)
})
