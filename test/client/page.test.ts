import t, { type Test } from 'tap'
import { isForeign, onWake } from '../../plugin/client/page.ts'
import { pretend } from '../fixtures/page.ts'

/** Counts how often it is woken. */
function waking (t: Test): { count: number, end: () => void } {
  const woken = { count: 0, end: onWake(() => { woken.count++ }) }
  t.teardown(() => { woken.end() })
  return woken
}

t.test('outside a browser there is nothing that wakes', async t => {
  const woken = waking(t)
  woken.end()
  t.equal(woken.count, 0)
  t.notOk(isForeign('http://127.0.0.1/'))
})

t.test('a page wakes when it becomes visible, or has a network again', async t => {
  const page = pretend(t)
  const woken = waking(t)
  page.show('hidden')
  t.equal(woken.count, 0)
  page.show('visible')
  t.equal(woken.count, 1)
  page.goOnline()
  t.equal(woken.count, 2)
  woken.end()
  page.show('visible')
  page.goOnline()
  t.equal(woken.count, 2)
})

t.test('an address of another origin is foreign', async t => {
  pretend(t, 'http://127.0.0.1:3000')
  t.notOk(isForeign('http://127.0.0.1:3000/a?b'))
  t.ok(isForeign('http://127.0.0.1:3001/a'))
  t.ok(isForeign('http://localhost:3000/a'))
})
