import t from 'tap'
import { event } from '../../plugin/wire/event.ts'
import { decode } from '../fixtures/client.ts'
import { closed, nextTurn, setupStream } from '../fixtures/stream.ts'
import { HISTORY } from '../fixtures/subscriber.ts'

t.test('sending', async t => {
  t.test('strings are sent as they are, other data through the serializer', async t => {
    const { emitter, read } = setupStream({ serializer: data => `<${String(data)}>` })
    emitter.send('text', { event: 'tick', id: 7 })
    emitter.send(5)
    emitter.send(undefined, { id: '8' })
    await nextTurn()
    t.strictSame(decode(read()).events, [{ data: 'text', event: 'tick', id: '7' }, { data: '<5>', event: undefined, id: undefined }])
  })

  t.test('spaceAfterColon adds a space after each colon', async t => {
    const { emitter, read } = setupStream({ spaceAfterColon: true, retry: 5 })
    emitter.send('a', { id: '1' })
    emitter.comment('c')
    await nextTurn()
    t.equal(read(), 'retry: 5\nid: 1\ndata: a\n\n: c\n\n')
  })

  t.test('an event that cannot be encoded is rejected and logged, and the stream continues', async t => {
    const { emitter, connection, read } = setupStream()
    const errors: unknown[] = []
    emitter.onError(error => { errors.push(error) })
    await t.rejects(emitter.send('x', { id: 'a\nb' }), { code: 'SSE_ERR_EVENT' })
    await t.rejects(emitter.send('x', { event: 'sse-ready' }), { code: 'SSE_ERR_EVENT' })
    await t.rejects(emitter.comment(5 as unknown as string), { code: 'SSE_ERR_EVENT' })
    t.strictSame(connection.calls, [], 'the stream does not open')
    t.strictSame(errors, [])
    await t.rejects(emitter.send(1n), { code: 'SSE_ERR_SERIALIZE' })
    t.match(errors, [{ code: 'SSE_ERR_SERIALIZE' }], 'onError receives what the serializer threw')
    await nextTurn()
    t.strictSame(connection.lines.map(({ level, text }) => [level, text]), Array(4).fill(['warn', 'event stream could not send an event']))
    await emitter.send('good')
    await nextTurn()
    t.equal(read(), 'data:good\n\n')
  })

  t.test('sends share one promise while there is room', async t => {
    const { emitter } = setupStream()
    t.equal(emitter.send('a'), emitter.send('b'))
  })

  t.test('sends without room settle when the connection drains', async t => {
    const { emitter, stream, read, transport } = setupStream()
    emitter.open()
    transport.full = true
    const first = emitter.send('a')
    t.equal(first, emitter.send('b'), 'they share one promise')
    let settled = false
    first.finally(() => { settled = true })
    await nextTurn()
    t.equal(settled, false)
    t.equal(stream.queued, 16)
    transport.drain()
    await first
    t.equal(read(), 'data:a\n\ndata:b\n\n')
  })

  t.test('sends reject when the client disconnects', async t => {
    const { emitter, stream, transport } = setupStream()
    emitter.open()
    transport.full = true
    const waiting = emitter.send('a')
    stream.close('client', false)
    await t.rejects(waiting, closed('client'))
    await t.rejects(emitter.send('b'), closed('client'))
    await t.rejects(emitter.comment('c'), closed('client'))
    await t.rejects(emitter.sendAll(['d']), closed('client'))
  })

  t.test('a rejection that no one awaits does not crash the process', async t => {
    const unhandled = (): void => { t.fail('unhandled') }
    process.on('unhandledRejection', unhandled)
    const { emitter, stream, transport } = setupStream()
    emitter.open()
    transport.full = true
    emitter.send('a')
    stream.close('client', false)
    emitter.send('b')
    emitter.comment('c')
    emitter.send('x', { id: '\n' })
    emitter.sendAll(['d'])
    await nextTurn()
    process.off('unhandledRejection', unhandled)
  })

  t.test('a client with more than maxBuffered bytes queued is dropped', async t => {
    const { emitter, connection, completions, transport } = setupStream({ maxBuffered: 1_024 })
    emitter.open()
    transport.full = true
    transport.queued = 1_000
    const waiting = emitter.send('a')
    await t.rejects(emitter.send('x'.repeat(20)), closed('slow'))
    await t.rejects(waiting, closed('slow'))
    t.strictSame(connection.calls, ['open', 'cut'])
    t.strictSame(completions, ['slow'])
  })
})

t.test('sendAll', async t => {
  t.test('sends items with their own fields and does not complete the stream', async t => {
    const { emitter, read } = setupStream()
    await emitter.sendAll((async function * () {
      yield 'a'
      yield event({ b: 1 }, { event: 'tick', id: '1' })
    })())
    await nextTurn()
    t.equal(read(), 'data:a\n\nid:1\nevent:tick\ndata:{"b":1}\n\n')
    t.equal(emitter.state, 'open')
  })

  t.test('rejects and logs when the source fails, and the stream continues', async t => {
    const { emitter, connection } = setupStream()
    await t.rejects(emitter.sendAll((function * () { yield 'a'; throw new Error('dry') })()), { message: 'dry' })
    await nextTurn()
    t.match(connection.lines, [{ level: 'warn', text: 'event stream source failed', fields: { err: { message: 'dry' } } }])
    t.equal(emitter.state, 'open')
    await emitter.send('b')
  })

  t.test('ends the source when the stream completes', async t => {
    const { emitter, connection } = setupStream()
    const sent = emitter.sendAll(async function * (signal: AbortSignal) {
      yield 'a'
      await new Promise((_resolve, reject) => { signal.onabort = () => { reject(signal.reason) } })
    })
    await nextTurn()
    emitter.complete()
    await t.rejects(sent, closed('complete'))
    t.strictSame(connection.lines.filter(({ level }) => level === 'warn'), [])
  })

  t.test('yields to the event loop while it reads an endless source', async t => {
    const { emitter, stream } = setupStream()
    let turns = 0
    const count = (): void => {
      if (++turns < 5) setImmediate(count)
      else stream.close('client', false)
    }
    setImmediate(count)
    await t.rejects(emitter.sendAll((function * () { for (;;) yield 'x'.repeat(100) })()), closed('client'))
    t.equal(turns, 5)
  })
})

t.test('signal and closed', async t => {
  t.test('the signal aborts when the stream ends', async t => {
    const { emitter } = setupStream()
    const { signal } = emitter
    t.equal(emitter.signal, signal)
    t.equal(signal.aborted, false)
    emitter.complete()
    t.equal(signal.aborted, true)
    t.match(signal.reason, closed('complete'))
  })

  t.test('a signal that is first read after the end is aborted', async t => {
    const { emitter, stream } = setupStream()
    stream.close('client', false)
    t.match(emitter.signal.reason, closed('client'))
    t.equal(await emitter.closed, 'client')
  })

  t.test('closed resolves when the connection is closed', async t => {
    const { emitter } = setupStream()
    const { closed } = emitter
    t.equal(emitter.closed, closed)
    emitter.complete()
    t.equal(await closed, 'complete')
    t.equal(await emitter.closed, 'complete')
  })
})

t.test('lastEventId is that of the connection', async t => {
  const { emitter, connection } = setupStream()
  t.equal(emitter.lastEventId, undefined)
  connection.lastEventId = '7'
  t.equal(emitter.lastEventId, '7')
})

t.test('a subscription requires at least one channel', async t => {
  const { emitter } = setupStream()
  await t.rejects(emitter.subscribe([]), { code: 'SSE_ERR_OPTION', message: 'emitter.subscribe() requires at least one channel' })
  t.equal(emitter.state, 'closed')
})

t.test('complete() with a last event', async t => {
  t.test('sends it with an id after which the client does not reconnect', async t => {
    const { emitter, read, completions } = setupStream({ serializer: data => `<${String(data)}>` })
    emitter.send('a', { id: '1' })
    emitter.complete({ event: 'end', data: 5 })
    t.equal(emitter.state, 'closed')
    await nextTurn()
    t.strictSame(decode(read()).events, [{ data: 'a', event: undefined, id: '1' }, { data: '<5>', event: 'end', id: 'sse-end' }])
    t.strictSame(completions, ['complete'])
  })

  t.test('has empty data by default, so that the client dispatches it', async t => {
    const { emitter, read } = setupStream()
    emitter.complete({})
    await nextTurn()
    t.strictSame(decode(read()).events, [{ data: '', event: undefined, id: 'sse-end' }])
  })

  t.test('has the data null if that is given', async t => {
    const { emitter, read } = setupStream()
    emitter.complete({ data: null })
    await nextTurn()
    t.strictSame(decode(read()).events, [{ data: 'null', event: undefined, id: 'sse-end' }])
  })

  t.test('fails if the event is invalid', async t => {
    for (const [last, code] of [[{ event: 'sse-x' }, 'SSE_ERR_EVENT'], [{ id: '7' }, 'SSE_ERR_EVENT'], [{ data: 1n }, 'SSE_ERR_SERIALIZE'], ['bye', 'SSE_ERR_EVENT']] as const) {
      const { emitter, connection, completions } = setupStream()
      const errors: unknown[] = []
      emitter.onError(error => { errors.push(error) })
      emitter.complete(last as object)
      t.match(errors, [{ code }])
      t.equal(emitter.state, 'closed')
      t.strictSame(connection.calls, ['fail'])
      connection.stream.close('client', true)
      t.strictSame(completions, ['error'])
    }
  })

  t.test('does nothing if the stream is closed', async t => {
    const { emitter, read } = setupStream()
    emitter.complete()
    emitter.complete({ event: 'sse-x' })
    emitter.complete({ event: 'end' })
    await nextTurn()
    t.strictSame(decode(read()).events, [])
  })
})

t.test('a client that has received its last event receives no more events of an open stream', async t => {
  for (const markers of [true, false]) {
    const { emitter, connection, fanOut, read, completions } = setupStream()
    const { id } = await fanOut.broker.publish('a', { data: 'last' }, { history: HISTORY })
    connection.lastEventId = id
    const subscribed = emitter.subscribe({ name: 'a' }, { markers, until: () => true })
    emitter.send('welcome')
    await subscribed
    await nextTurn()
    t.strictSame(completions, ['complete'])
    const end = { event: 'sse-ready', data: '{}', id: 'sse-end' }
    t.strictSame(decode(read()).events, [{ event: undefined, data: 'welcome', id: undefined }, ...markers ? [end] : []])
    t.strictSame(connection.calls, ['open', 'end'])
  }
})

t.test('unsubscribe() ends a subscription that waits for the client\'s last event to be looked up', async t => {
  const { emitter, connection, fanOut, read } = setupStream()
  connection.lastEventId = 'epoch.1-0'
  const all = emitter.subscribe({ name: 'a' }, { until: () => false })
  const some = emitter.subscribe([{ name: 'a' }, { name: 'b' }], { until: () => false })
  emitter.unsubscribe({ name: 'a' })
  await Promise.all([all, some])
  t.strictSame(Array.from(fanOut, ({ name }) => name), ['b'])
  await nextTurn()
  t.strictSame(decode(read()).events.map(({ event }) => event), ['sse-reset'])
})

t.test('unsubscribe() requires valid channels, and does nothing without a subscription', async t => {
  const { emitter, fanOut } = setupStream()
  emitter.unsubscribe({ name: 'a' })
  await emitter.subscribe([{ name: 'a' }, { name: 'b' }])
  t.throws(() => emitter.unsubscribe([{ name: 'a' }, { name: '' }]), { code: 'SSE_ERR_CHANNEL' })
  t.strictSame(Array.from(fanOut, ({ name }) => name), ['a', 'b'])
  emitter.unsubscribe({ name: 'a' })
  t.strictSame(Array.from(fanOut, ({ name }) => name), ['b'])
  await t.rejects(emitter.send('x', { id: '1' }), { code: 'SSE_ERR_EVENT' })
})
