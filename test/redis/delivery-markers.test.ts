import t from 'tap'
import { Markers } from '../../plugin/redis/delivery-markers.ts'
import type { ReconnectingClient } from '../../plugin/redis/reconnecting-client.ts'
import type { LogState, RedisLog } from '../../plugin/redis/redis-log.ts'

const STATE: LogState = { lastId: 'e.1-0', forgotten: 'e.0-0', lastIds: [] }

function setup () {
  const sent: Array<[marker: string, channels: string[]]> = []
  const log = {
    sync: async (marker: string, channels: string[]) => {
      sent.push([marker, channels])
      return STATE
    }
  } as unknown as RedisLog
  const subscriber = { perform: async (action: () => unknown) => await action() } as unknown as ReconnectingClient
  return { markers: new Markers(log, subscriber), sent }
}

t.test('sending a marker ends when it has arrived', async t => {
  const { markers, sent } = setup()
  const processed: string[] = []
  const marker = markers.create(lastId => { processed.push(lastId) })
  const sending = markers.send(marker, ['a'])
  t.strictSame(sent, [[marker.name, ['a']]])
  markers.arrive(marker.name)
  t.equal(await sending, STATE)
  t.equal(markers.isPending(marker), true)
  markers.process(marker.name, 'e.1-0')
  t.equal(markers.isPending(marker), false)
  t.strictSame(processed, ['e.1-0'])
  markers.process(marker.name, 'e.2-0')
  t.strictSame(processed, ['e.1-0'], 'a marker that arrives twice is processed once')
})

t.test('a marker that was cancelled is ignored when it arrives', async t => {
  const { markers } = setup()
  const marker = markers.create(() => { t.fail('it was cancelled') })
  markers.cancel(marker)
  markers.arrive(marker.name)
  markers.process(marker.name, 'e.1-0')
  t.equal(markers.isPending(marker), false)
})

t.test('all markers can be ended at once, and their callbacks are left to the caller', async t => {
  const { markers } = setup()
  const processed: string[] = []
  const created = ['one', 'two'].map(text => markers.create(lastId => { processed.push(`${text} ${lastId}`) }))
  const sending = created.map(marker => markers.send(marker, []))
  for (const onProcessed of markers.takeAll()) onProcessed('e.1-0')
  await Promise.all(sending)
  t.strictSame(processed, ['one e.1-0', 'two e.1-0'])
  t.strictSame(created.map(marker => markers.isPending(marker)), [false, false])
})
