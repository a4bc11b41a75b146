import assert from 'node:assert/strict'
import net from 'node:net'
import { once } from 'node:events'
import { PassThrough, Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { InjectedTransport, SocketTransport, StreamTransport, type Transport } from '../../plugin/stream/transport.ts'
import { SharedText } from '../../plugin/wire/shared-text.ts'
import { sleep } from '../fixtures/app.ts'
import { eventually } from '../fixtures/eventually.ts'

/** Two ends of a connection. */
async function connection (t: Test): Promise<{ here: net.Socket, there: net.Socket, received: () => string }> {
  const server = net.createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  const accepted = once(server, 'connection')
  const there = net.connect(port, '127.0.0.1')
  const [here] = await accepted as [net.Socket]
  let text = ''
  there.setEncoding('utf8').on('data', chunk => { text += chunk })
  t.teardown(() => {
    here.destroy()
    there.destroy()
    server.close()
  })
  return { here, there, received: () => text }
}

/** As an outbox begins with one. */
function begun<Kind extends Transport> (transport: Kind): Kind {
  transport.begin(Infinity, () => {})
  return transport
}

t.test('each text is written to a socket as one chunk', async t => {
  const { here, received } = await connection(t)
  const transport = begun(new SocketTransport(here, false))
  t.equal(transport.write('data:x\n\n'), 8)
  t.equal(transport.write('data:é你😀\n\n'), 16, 'the result counts bytes')
  t.equal(transport.write('x'.repeat(300)), 300)
  await eventually(() => { assert.equal(received(), `8\r\ndata:x\n\n\r\n10\r\ndata:é你😀\n\n\r\n12c\r\n${'x'.repeat(300)}\r\n`) })
  t.equal(transport.full, false)
  t.equal(transport.queued, 0)
})

t.test('shared text is encoded once for each kind of transport', async t => {
  const { here, received } = await connection(t)
  const shared = new SharedText('data:é\n\n')
  t.equal(shared.takeChunk(), shared.takeChunk())
  t.equal(shared.buffer, shared.buffer)
  const stream = new PassThrough()
  t.equal(begun(new SocketTransport(here, false)).write(shared), 9)
  t.equal(begun(new StreamTransport(stream)).write(shared), 9)
  await eventually(() => { assert.equal(received(), '9\r\ndata:é\n\n\r\n') })
  t.equal(stream.read().toString(), 'data:é\n\n')
})

t.test('shared ASCII text is a string for its first socket', async t => {
  const { here, received } = await connection(t)
  const shared = new SharedText('data:x\n\n')
  const transport = begun(new SocketTransport(here, false))
  t.equal(transport.write(shared), 8)
  t.equal(transport.write(shared), 8)
  t.equal(transport.write(shared), 8)
  t.equal(transport.queued, 0)
  await eventually(() => { assert.equal(received(), '8\r\ndata:x\n\n\r\n'.repeat(3)) })
  t.equal(shared.takeChunk(), shared.takeChunk(), 'later sockets share one Buffer')
  t.type(shared.takeChunk(), Buffer)
  t.type(new SharedText('data:x\n\n').takeChunk(), 'string')
})

t.test('the first flush uncorks the socket', async t => {
  const { here, received } = await connection(t)
  here.cork()
  const transport = begun(new SocketTransport(here, true))
  transport.write('a')
  await sleep(20)
  t.equal(received(), '')
  transport.flush()
  transport.flush()
  await eventually(() => { assert.equal(received(), '1\r\na\r\n') })
})

t.test('a full socket reports that it is full, and when it has drained', async t => {
  const { here, there } = await connection(t)
  const transport = begun(new SocketTransport(here, false))
  let drains = 0
  transport.begin(Infinity, () => { drains++ })
  there.pause()
  while (!transport.full) transport.write('x'.repeat(65_536))
  const listeners = here.listenerCount('drain')
  for (let more = 0; more < 100; more++) transport.write('x')
  t.equal(here.listenerCount('drain'), listeners, 'there is one listener, however many writes wait')
  t.ok(transport.queued > 100)
  await sleep(20)
  t.equal(drains, 0)
  there.resume()
  while (transport.full) await sleep(5)
  t.equal(drains, 1)
  t.equal(transport.queued, 0)
  t.equal(here.listenerCount('drain'), listeners - 1)
})

t.test('the progress of a socket changes when the operating system accepts a part of one write', async t => {
  const { here, there } = await connection(t)
  const transport = begun(new SocketTransport(here, false))
  there.pause()
  transport.write('x'.repeat(40_000_000))
  await sleep(50)
  const { progress, queued } = transport
  await sleep(50)
  t.equal(transport.progress, progress, 'a client that takes nothing makes none')
  transport.write('y')
  t.equal(transport.progress, progress, 'nor does a write that waits')
  const size = transport.queued
  there.resume()
  await eventually(() => { assert.ok(transport.progress > progress) })
  there.pause()
  t.ok(queued > 0 && transport.queued === size, 'although the write is not done')
  here.destroy()
  t.equal(transport.progress, 0)
})

t.test('everything written has been handed to a socket', async t => {
  const { here } = await connection(t)
  const transport = begun(new SocketTransport(here, false))
  transport.write('x'.repeat(1_000_000))
  let finished = false
  transport.finish(() => { finished = true })
  t.ok(finished)
})

t.test('writes to a socket that has ended are ignored', async t => {
  const { here } = await connection(t)
  const transport = begun(new SocketTransport(here, false))
  here.on('error', error => { t.fail(error.message) })
  here.end()
  t.equal(transport.write('late'), 4)
  await sleep(20)
})

t.test('a high-water mark below the socket\'s own is respected', async t => {
  const { here, there } = await connection(t)
  const transport = begun(new SocketTransport(here, false))
  let drains = 0
  transport.begin(1_000, () => { drains++ })
  t.equal(transport.full, false)
  transport.write('x'.repeat(400))
  await sleep(10)
  t.equal(drains, 0, 'it was not full')
  here.cork()
  for (let times = 0; times < 3; times++) transport.write('x'.repeat(400))
  t.equal(here.writableNeedDrain, false, 'the socket would accept more')
  t.equal(transport.full, true)
  here.uncork()
  await eventually(() => { assert.equal(drains, 1) })
  t.equal(transport.full, false)
  there.pause()
  while (!here.writableNeedDrain) transport.write('x'.repeat(65_536))
  there.resume()
  await eventually(() => { assert.equal(drains, 2) })
})

t.test('text is written to a stream unframed', async t => {
  const stream = new PassThrough()
  const transport = begun(new StreamTransport(stream))
  t.equal(transport.write('data:é\n\n'), 9)
  transport.flush()
  t.equal(stream.read().toString(), 'data:é\n\n')
})

t.test('a stream with flush() is flushed', async t => {
  let flushes = 0
  const transport = begun(new StreamTransport(Object.assign(new PassThrough(), { flush: () => { flushes++ } })))
  transport.write('a')
  transport.flush()
  t.equal(flushes, 1)
})

t.test('a full stream reports that it is full, what is queued, and when it has drained', async t => {
  const writes: Array<() => void> = []
  const stream = new Writable({ highWaterMark: 10, write: (_chunk, _encoding, done) => { writes.push(done) } })
  const transport = begun(new StreamTransport(stream))
  let drains = 0
  transport.begin(Infinity, () => { drains++ })
  transport.write('12345')
  t.equal(transport.full, false)
  transport.write('67890')
  transport.write('more')
  t.equal(transport.full, true)
  t.equal(transport.queued, 14)
  t.equal(stream.listenerCount('drain'), 1)
  while (writes.length > 0) {
    writes.shift()!()
    await sleep(1)
  }
  t.equal(drains, 1)
  t.equal(transport.full, false)
  t.equal(transport.queued, 0)
})

t.test('a high-water mark below the stream\'s own is respected', async t => {
  const writes: Array<() => void> = []
  const stream = new Writable({ highWaterMark: 10_000, write: (_chunk, _encoding, done) => { writes.push(done) } })
  const transport = begun(new StreamTransport(stream))
  let drains = 0
  transport.begin(10, () => { drains++ })
  transport.write('12345')
  t.equal(transport.full, false)
  transport.write('67890')
  t.equal(transport.full, true)
  writes.shift()!()
  await sleep(1)
  t.equal(transport.full, false)
  t.equal(drains, 1)
})

t.test('a stream takes large text in pieces, each of which is progress', async t => {
  const writes: Array<{ size: number, done: () => void }> = []
  const stream = new Writable({ highWaterMark: 16_384, write: (chunk, _encoding, done) => { writes.push({ size: chunk.length, done }) } })
  let flushes = 0
  const transport = begun(new StreamTransport(Object.assign(stream, { flush: () => { flushes++ } })))
  let drains = 0
  transport.begin(Infinity, () => { drains++ })
  transport.write('a'.repeat(50_000))
  transport.write('b')
  let finished = false
  transport.finish(() => { finished = true })
  const sizes: number[] = []
  for (let left = 50_001; left > 0;) {
    t.equal(transport.queued, left)
    t.equal(transport.progress, 50_001 - left)
    t.equal(writes.length, 1)
    const { size, done } = writes.shift()!
    sizes.push(size)
    left -= size
    done()
    await sleep(1)
  }
  t.strictSame(sizes, [16_384, 16_384, 16_384, 848, 1])
  t.equal(drains, 1)
  t.equal(flushes, 3, 'what was held back is flushed')
  t.ok(finished)
})

t.test('finish waits for what is held back', async t => {
  const stream = new PassThrough({ highWaterMark: 16_384 })
  const transport = begun(new StreamTransport(stream))
  transport.write('x'.repeat(60_000))
  let finished = 0
  transport.finish(() => { finished++ })
  t.equal(finished, 0)
  let read = 0
  stream.on('data', chunk => { read += chunk.length })
  await eventually(() => { assert.equal(finished, 1) })
  await eventually(() => { assert.equal(read, 60_000) })
  transport.finish(() => { finished++ })
  t.equal(finished, 2)
})

t.test('what a stream in between has accepted is progress when the response takes it', async t => {
  const response = { writableLength: 100 }
  const transport = begun(new StreamTransport(new PassThrough(), response))
  const { progress } = transport
  response.writableLength = 40
  t.not(transport.progress, progress)
})

t.test('writes to a destroyed stream are ignored', async t => {
  const stream = new PassThrough()
  stream.on('error', error => { t.fail(error.message) })
  stream.destroy()
  t.equal(begun(new StreamTransport(stream)).write('late'), 4)
  await sleep(5)
})

t.test('an injected response is full only while its body is not read', async t => {
  // Its writes are never reported, as where a test fakes setImmediate.
  const body = new PassThrough({ highWaterMark: 16_384 })
  const response = Object.assign(new Writable(), { write: (bytes: Buffer) => body.push(bytes) })
  const transport = new InjectedTransport(response)
  let drains = 0
  transport.begin(1_000, () => { drains++ })
  transport.write('x'.repeat(10_000))
  t.equal(transport.full, false)
  transport.write('x'.repeat(10_000))
  t.equal(transport.full, true)
  response.emit('drain')
  t.equal(transport.full, false)
  t.equal(drains, 1)
})
