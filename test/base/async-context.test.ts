import { AsyncLocalStorage } from 'node:async_hooks'
import t from 'tap'
import { bindContext } from '../../plugin/base/async-context.ts'

t.test('a bound callback runs in the context in which it was bound', async t => {
  const context = new AsyncLocalStorage<string>()
  const join = (...args: string[]): string => [context.getStore(), ...args].join(' ')
  const bound = context.run('a', () => bindContext(join))
  t.equal(context.run('b', () => bound('1', '2')), 'a 1 2')
  t.equal(bound(), 'a')
  t.equal(context.getStore(), undefined, 'the context of the caller is restored')
})

t.test('an error thrown by a bound callback reaches its caller, whose context is restored', async t => {
  const context = new AsyncLocalStorage<string>()
  const bound = context.run('a', () => bindContext(() => { throw new Error('Refused') }))
  context.run('b', () => {
    t.throws(bound, { message: 'Refused' })
    t.equal(context.getStore(), 'b')
  })
})
