import t from 'tap'
import { event } from '../../plugin/wire/event.ts'
import { SseEntry } from '../../plugin/wire/entry.ts'
import { resultOf } from '../../plugin/runs/run-result.ts'
import { mockClock } from '../fixtures/clock.ts'
import { createRuns, settle } from '../fixtures/runs.ts'

t.test('the text of a run is that of its events of a type', async t => {
  const { advance } = mockClock(t)
  const { runs } = createRuns()
  const items = [
    'plain ', { text: 'object ' }, { n: 1 }, 'null', '"quoted"', '{"text":5}',
    event({ text: 'Hel' }, { event: 'delta' }), event({ text: 'hm' }, { event: 'reasoning' }), event('lo', { event: 'delta' })
  ]
  const { run } = await runs.start('a', () => items, { retention: 1_000 })
  await settle()
  const { text, ...result } = resultOf(run, new SseEntry('epoch.1-0', { event: 'done', data: '{}' }))
  t.strictSame(result, { run, state: 'done', data: '{}' })
  t.equal(await text(), 'plain object {"n":1}null"quoted"{"text":5}')
  t.equal(await text('delta'), 'Hello')
  t.equal(await text('reasoning'), 'hm')
  t.equal(await text('other'), '')
  advance(700_000)
  await t.rejects(text(), { code: 'SSE_ERR_RUN_FORGOTTEN' })
})
