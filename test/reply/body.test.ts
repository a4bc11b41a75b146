import { EventEmitter } from 'node:events'
import t from 'tap'
import { Body } from '../../plugin/reply/body.ts'

interface Setup {
  body: Body
  response: EventEmitter
  /** What `bodyPiped` was called with. */
  piped: unknown[][]
}

function setup (): Setup {
  const response = new EventEmitter()
  const piped: unknown[][] = []
  const body = new Body({ bodyPiped: (...args) => { piped.push(args) } }, response)
  return { body, response, piped }
}

t.test('pipe hands the destination over, and whether it ends with the body', async t => {
  const { body, piped } = setup()
  const destination = {} as NodeJS.WritableStream
  t.equal(body.pipe(destination), destination)
  body.pipe(destination, { end: true })
  body.pipe(destination, { end: false })
  t.strictSame(piped.map(([from, to, end]) => [from === body, to === destination, end]), [[true, true, true], [true, true, true], [true, true, false]])
})

t.test('only listeners for the end are kept', async t => {
  const { body } = setup()
  let ended = 0
  for (const name of ['data', 'error', 'close', 'readable']) body.on(name, () => { t.fail(name) })
  body.on('end', () => { ended++ })
  body.finish()
  t.equal(ended, 1)
  t.strictSame(body.eventNames(), ['end'])
})

t.test('Fastify may resume and destroy it', async t => {
  const { body } = setup()
  t.doesNotThrow(() => { body.resume() })
  t.doesNotThrow(() => { body.destroy() })
})

t.test('release ends the body and removes the listeners that were added to the response since', async t => {
  const { body, response } = setup()
  const own = (): void => {}
  for (const name of ['close', 'error', 'finish']) response.on(name, own)
  let ended = false
  body.on('end', () => { ended = true })
  for (const name of ['close', 'end', 'error', 'finish']) response.on(name, () => { t.fail(name) })
  body.release()
  t.ok(ended)
  t.strictSame(['close', 'end', 'error', 'finish'].map(name => response.rawListeners(name)), [[own], [], [own], [own]])
})
