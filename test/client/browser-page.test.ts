import t, { type Test } from 'tap'
import { isCrossOrigin, onWake } from '../../plugin/client/browser-page.ts'
import { fakePage } from '../fixtures/browser-page.ts'

/** Counts the calls of a listener. */
function countWakes (t: Test): { count: number, remove: () => void } {
  const wakes = { count: 0, remove: onWake(() => { wakes.count++ }) }
  t.teardown(() => { wakes.remove() })
  return wakes
}

t.test('outside a browser nothing calls the listener', async t => {
  const wakes = countWakes(t)
  wakes.remove()
  t.equal(wakes.count, 0)
  t.notOk(isCrossOrigin('http://127.0.0.1/'))
})

t.test('the listener is called when the page becomes visible or the machine is online again', async t => {
  const page = fakePage(t)
  const wakes = countWakes(t)
  page.setVisibility('hidden')
  t.equal(wakes.count, 0)
  page.setVisibility('visible')
  t.equal(wakes.count, 1)
  page.goOnline()
  t.equal(wakes.count, 2)
  wakes.remove()
  page.setVisibility('visible')
  page.goOnline()
  t.equal(wakes.count, 2)
})

t.test('a URL with another host or port is cross-origin', async t => {
  fakePage(t, 'http://127.0.0.1:3000')
  t.notOk(isCrossOrigin('http://127.0.0.1:3000/a?b'))
  t.ok(isCrossOrigin('http://127.0.0.1:3001/a'))
  t.ok(isCrossOrigin('http://localhost:3000/a'))
})
