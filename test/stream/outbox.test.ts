import { constants } from 'node:buffer'
import t from 'tap'
import { Outbox } from '../../plugin/stream/outbox.ts'
import type { Transport } from '../../plugin/stream/transport.ts'
import { SharedText } from '../../plugin/wire/shared-text.ts'

const nextTurn = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })
const BATCH = 16_384

/** A transport that records what is written. */
class FakeTransport implements Transport {
  readonly written: string[] = []
  flushes = 0
  full = false
  queued = 0
  progress = 0
  /** Called by a test when everything is written, if it sets `holds`. */
  onWritten = (): void => {}
  holds = false
  mark = Infinity
  onDrain = (): void => {}

  begin (mark: number, onDrain: () => void): void {
    this.mark = mark
    this.onDrain = onDrain
  }

  write (text: string | SharedText): number {
    const whole = text instanceof SharedText ? text.text : text
    this.written.push(whole)
    return Buffer.byteLength(whole)
  }

  flush (): void {
    this.flushes++
  }

  finish (done: () => void): void {
    if (this.holds) this.onWritten = done
    else done()
  }
}

interface Setup {
  outbox: Outbox
  transport: FakeTransport
  calls: string[]
  /** Whether the outbox has room, once promises have settled. */
  room: () => Promise<'room' | 'waits' | 'closed'>
}

function setup (limit = 1_048_576): Setup {
  const calls: string[] = []
  const outbox = new Outbox({ pressureChanged: () => { calls.push('pressureChanged') }, finished: () => { calls.push('finished') } }, limit)
  return {
    outbox,
    transport: new FakeTransport(),
    calls,
    room: async () => {
      const { room } = outbox
      if (room === undefined) return 'room'
      return await Promise.race([room.then(() => 'room' as const, () => 'closed' as const), Promise.resolve('waits' as const)])
    }
  }
}

async function settled (promise: Promise<void> | undefined): Promise<boolean> {
  let settled = false
  promise?.finally(() => { settled = true }).catch(() => {})
  await nextTurn()
  return settled
}

t.test('text added during one callback is written in one piece', async t => {
  const { outbox, transport, room } = setup()
  outbox.attach(transport, '')
  for (const text of ['a', 'b', 'c']) {
    t.ok(outbox.put(text))
    await Promise.resolve()
  }
  t.strictSame(transport.written, [])
  t.equal(outbox.queued, 3)
  t.equal(await room(), 'room')
  await nextTurn()
  t.strictSame(transport.written, ['abc'])
  t.equal(transport.flushes, 1)
  t.equal(outbox.bytes, 3)
  outbox.put('d')
  await nextTurn()
  t.strictSame(transport.written, ['abc', 'd'])
})

t.test('text added before there is a transport is written after the preamble', async t => {
  const { outbox, transport, room } = setup()
  outbox.put('a')
  t.equal(await room(), 'waits', 'there is no room without a transport')
  t.equal(outbox.queued, 1)
  const waiting = outbox.room
  await nextTurn()
  outbox.attach(transport, 'preamble ')
  t.ok(await settled(waiting))
  t.strictSame(transport.written, ['preamble a'])
})

t.test('a small limit makes small batches and a low high-water mark', async t => {
  const { outbox, transport } = setup(1_024)
  outbox.attach(transport, '')
  t.equal(transport.mark, 512)
  outbox.put('x'.repeat(256))
  t.equal(transport.written.length, 1)
})

t.test('a full batch is written immediately, and its sender waits for the end of the turn', async t => {
  const { outbox, transport, room } = setup()
  outbox.attach(transport, '')
  outbox.put('x'.repeat(BATCH - 1))
  t.equal(transport.written.length, 0)
  t.equal(await room(), 'room')
  outbox.put('x')
  t.equal(transport.written.length, 1)
  t.equal(await room(), 'waits')
  t.ok(await settled(outbox.room))
  t.equal(await room(), 'room')
})

t.test('text waits while the connection is full, and is written when it drains', async t => {
  const { outbox, transport, calls, room } = setup()
  outbox.attach(transport, '')
  outbox.put('first')
  transport.full = true
  await nextTurn()
  t.strictSame(transport.written, [])
  t.equal(await room(), 'waits')
  t.equal(outbox.room, outbox.room, 'all senders share one promise')
  const waiting = outbox.room
  outbox.put(' second')
  await nextTurn()
  t.strictSame(transport.written, [])
  outbox.put('x'.repeat(BATCH))
  t.equal(transport.written.length, 1, 'a full batch is handed to the transport')
  t.strictSame(calls, ['pressureChanged'])
  t.not(outbox.fullSince, Infinity)
  t.notOk(await settled(waiting))
  outbox.put('third')
  transport.full = false
  transport.onDrain()
  t.equal(transport.written[1], 'third')
  t.ok(await settled(waiting))
  t.equal(outbox.fullSince, Infinity)
  t.strictSame(calls, ['pressureChanged', 'pressureChanged'])
})

t.test('senders keep waiting if a drain fills the connection again', async t => {
  const { outbox, transport } = setup()
  outbox.attach(transport, '')
  transport.full = true
  outbox.put('a')
  const waiting = outbox.room
  transport.onDrain()
  t.strictSame(transport.written, ['a'])
  t.notOk(await settled(waiting))
  t.not(outbox.fullSince, Infinity)
})

t.test('text beyond the limit is refused', async t => {
  t.test('counting bytes, including those queued by the transport', async t => {
    const { outbox, transport } = setup(1_024)
    outbox.attach(transport, '')
    transport.full = true
    transport.queued = 1_000
    t.ok(outbox.put('x'.repeat(8)))
    t.ok(outbox.put('x'.repeat(16)), 'exactly the limit')
    t.notOk(outbox.put('x'), 'one byte more')
    transport.queued = 990
    t.notOk(outbox.put('你你你你'), '12 bytes')
    t.ok(outbox.put('你你你'), '9 bytes')
  })

  t.test('but text of any size is accepted while there is room', async t => {
    const { outbox, transport } = setup(1_024)
    outbox.attach(transport, '')
    t.ok(outbox.put('small'))
    t.ok(outbox.put('x'.repeat(5_000)))
    transport.queued = 5_005
    t.notOk(outbox.put('x'), 'there is no room: this turn has written a batch')
    await nextTurn()
    t.ok(outbox.put('x'), 'there is room in the next turn')
  })

  t.test('also before there is a transport', async t => {
    const { outbox } = setup(1_024)
    t.ok(outbox.put('x'.repeat(5_000)))
    t.notOk(outbox.put('x'))
    const { outbox: other } = setup(1_024)
    for (let count = 0; count < 102; count++) t.ok(other.put('x'.repeat(10)))
    t.notOk(other.put('x'.repeat(10)))
  })
})

t.test('a heartbeat is written immediately, unless there is other text', async t => {
  const { outbox, transport } = setup()
  outbox.attach(transport, 'preamble')
  outbox.keepAlive('heartbeat')
  outbox.keepAlive('heartbeat')
  t.strictSame(transport.written, ['preamble', 'heartbeat'])
  outbox.put('event')
  outbox.keepAlive('heartbeat')
  t.strictSame(transport.written.slice(2), ['event'])
  outbox.close(undefined)
  outbox.keepAlive('heartbeat')
  t.equal(transport.written.length, 3)
})

t.test('finish writes everything, even if the connection is full', async t => {
  const { outbox, transport, calls } = setup()
  outbox.attach(transport, '')
  transport.full = true
  outbox.put('last')
  await nextTurn()
  outbox.finish()
  await nextTurn()
  t.strictSame(transport.written, ['last'])
  t.equal(calls.at(-1), 'finished')
})

t.test('finish waits for a transport that holds something back', async t => {
  const { outbox, transport, calls } = setup()
  outbox.attach(transport, '')
  transport.holds = true
  outbox.put('last')
  outbox.finish()
  await nextTurn()
  t.strictSame(transport.written, ['last'])
  t.strictSame(calls, [])
  transport.onWritten()
  t.strictSame(calls, ['finished'])
})

t.test('the progress is that of the transport', async t => {
  const { outbox, transport } = setup()
  t.equal(outbox.progress, 0)
  outbox.attach(transport, '')
  transport.progress = 5
  t.equal(outbox.progress, 5)
})

t.test('finish before there is a transport waits for one', async t => {
  const { outbox, transport, calls } = setup()
  outbox.put('last')
  outbox.finish()
  await nextTurn()
  t.strictSame(calls, [])
  outbox.attach(transport, '')
  await nextTurn()
  t.strictSame(transport.written, ['last'])
  t.strictSame(calls, ['finished'])
})

t.test('close rejects waiting senders, or resolves them if everything was delivered', async t => {
  for (const error of [new Error('gone'), undefined]) {
    const { outbox, transport } = setup()
    outbox.attach(transport, '')
    transport.full = true
    outbox.put('a')
    const waiting = outbox.room!
    outbox.close(error && (() => error))
    if (error === undefined) await t.resolves(waiting)
    else await t.rejects(waiting, error)
    await nextTurn()
    transport.onDrain()
    t.strictSame(transport.written, [], 'nothing is written afterwards')
  }
  t.doesNotThrow(() => setup().outbox.close(() => { throw new Error('not called') }), 'without waiting senders, nothing happens')
})

t.test('shared text is written after text that was added before', async t => {
  const { outbox, transport } = setup()
  outbox.attach(transport, '')
  await nextTurn()
  outbox.put('a')
  t.ok(outbox.sendShared(new SharedText('b'), 1))
  t.strictSame(transport.written.join(''), 'ab')
})

t.test('text that would exceed the longest string is refused', async t => {
  const outbox = new Outbox({ pressureChanged () {}, finished () {} }, Number.MAX_SAFE_INTEGER)
  t.equal(outbox.put('a'), true)
  t.equal(outbox.put('x'.repeat(constants.MAX_STRING_LENGTH - 64)), false)
})
