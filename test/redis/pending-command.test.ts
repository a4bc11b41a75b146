import t from 'tap'
import { PendingCommand } from '../../plugin/redis/pending-command.ts'

t.test('a command times out unless it has finished, even if it finishes after its deadline', async t => {
  const timedOut: string[] = []
  const late = new PendingCommand(() => { timedOut.push('late') })
  const justInTime = new PendingCommand(() => { timedOut.push('just in time') })
  late.fire()
  justInTime.fire()
  justInTime.finish()
  t.strictSame(timedOut, [])
  await new Promise(setImmediate)
  t.strictSame(timedOut, ['late'])
})
