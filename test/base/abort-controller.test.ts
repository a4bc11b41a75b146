import t from 'tap'
import { createAbortController } from '../../plugin/base/abort-controller.ts'
import { processWarnings } from '../fixtures/warnings.ts'

t.test('a signal accepts any number of listeners without a warning', async t => {
  const warnings = processWarnings(t)
  const controller = createAbortController()
  let aborted = 0
  for (let count = 0; count < 50; count++) controller.signal.addEventListener('abort', () => { aborted++ })
  await new Promise(resolve => { setImmediate(resolve) })
  t.strictSame(warnings, [])
  controller.abort()
  t.equal(aborted, 50)
})
