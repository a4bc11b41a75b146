import t from 'tap'
import { splitFault } from '../../../server/model/faults.ts'

t.test('a fault at the beginning of a message is split off', async t => {
  t.strictSame(splitFault('/fail'), { fault: '/fail', rest: '' })
  t.strictSame(splitFault(' /429\n'), { fault: '/429', rest: '' })
  t.strictSame(splitFault('/slow  count to\n10'), { fault: '/slow', rest: 'count to\n10' })
})

t.test('a message without a fault at its beginning is unchanged', async t => {
  for (const message of ['', 'fail', '/failure', '/Fail', '/fail!', 'please /fail', '/', '//fail', '/toString', '/constructor x']) {
    t.strictSame(splitFault(message), { fault: undefined, rest: message })
  }
})
