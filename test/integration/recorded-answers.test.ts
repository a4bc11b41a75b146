import { deepStrictEqual, equal, ok } from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { ModelError, type ModelDelta } from 'fastify-sse-emitter/llm'
import t from 'tap'
import { DeltaWriter } from '../../plugin/llm/protocols/delta-writer.ts'
import { selectReader } from '../../plugin/llm/response-body/select-reader.ts'
import { partsOf, readAnswer, type ReadAnswer } from '../fixtures/model-answer.ts'
import { recordedAnswers, type RecordedAnswer } from '../fixtures/recorded-answers.ts'
import { collect, startUpstream } from '../fixtures/upstream.ts'

const read = async ({ stream, status, headers, bytes }: RecordedAnswer, end = bytes.length, ends?: 'normally' | 'cut'): Promise<ReadAnswer> => await readAnswer(stream, { status, headers, chunks: [bytes.subarray(0, end)], ends })

/** Reads chunks as a request does, without the request, because there are many ways to divide the answers. */
function readChunks ({ protocol, status, headers }: RecordedAnswer, chunks: readonly Uint8Array[]): ReadAnswer {
  const deltas: ModelDelta[] = []
  const writer = new DeltaWriter(delta => { deltas.push(delta) })
  try {
    const reader = selectReader(status, headers, protocol, 10_000, writer)!
    for (const chunk of chunks) reader.feed(chunk)
    reader.end()
    return { deltas, error: undefined }
  } catch (error) {
    return { deltas, error }
  }
}

function checkWhole ({ parts, finish, error: code }: RecordedAnswer, { deltas, error }: ReadAnswer): void {
  deepStrictEqual(partsOf(deltas), parts)
  deepStrictEqual((error as ModelError | undefined)?.code, code)
  if (finish !== undefined) deepStrictEqual(deltas.at(-1), { type: 'finish', ...finish })
}

function checkBeginning ({ parts }: RecordedAnswer, { deltas }: ReadAnswer): void {
  const delivered = partsOf(deltas)
  for (const [position, { kind, text }] of delivered.entries()) {
    const part = parts[position]
    ok(part?.kind === kind && (position === delivered.length - 1 ? part.text.startsWith(text) : part.text === text), JSON.stringify(delivered))
  }
}

/** Divides all events after their first byte, then after their second, and so on. */
function divisions ({ bytes, eventEnds }: RecordedAnswer): Uint8Array[][] {
  const events = eventEnds.map((end, position) => ({ start: eventEnds[position - 1] ?? 0, end }))
  return Array.from({ length: Math.max(...events.map(({ start, end }) => end - start)) }, (_division, length) => {
    const cuts = [0, ...events.filter(({ start, end }) => start + length < end).map(({ start }) => start + length), bytes.length]
    return cuts.slice(1).map((cut, position) => bytes.subarray(cuts[position], cut))
  })
}

const comparable = ({ deltas, error }: ReadAnswer): string => JSON.stringify([deltas, (error as ModelError | undefined)?.code])

t.test('every recorded answer is read', async t => {
  const files = readdirSync(new URL('../fixtures/answers', import.meta.url)).map(file => file.replace('.txt', ''))
  t.strictSame(recordedAnswers.map(({ name }) => name).sort(), files.sort())
})

for (const answer of recordedAnswers) {
  const { name, status, bytes, eventEnds, finish, mayMiss } = answer

  t.test(`${name} is read`, async () => {
    checkWhole(answer, await read(answer))
  })

  // An error response is read when it has ended.
  if (status === 200) {
    t.test(`${name} is read one byte at a time, and divided at every byte`, async () => {
      const whole = comparable(readChunks(answer, [bytes]))
      equal(comparable(readChunks(answer, Array.from(bytes, byte => Uint8Array.of(byte)))), whole)
      for (const chunks of divisions(answer)) equal(comparable(readChunks(answer, chunks)), whole)
    })
  }

  t.test(`${name} does not finish if an event before its end is missing`, async () => {
    for (const [position, end] of [0, ...eventEnds].entries()) {
      const hasFinished = finish !== undefined && position >= eventEnds.length - mayMiss
      for (const ends of ['normally', 'cut'] as const) {
        const result = await read(answer, end, ends)
        checkBeginning(answer, result)
        ok(hasFinished ? result.error === undefined : result.error instanceof ModelError, `${position} events, then it ends ${ends}: ${String(result.error)}`)
      }
    }
  })
}

t.test('recorded answers are read over a connection', async t => {
  const { baseURL } = await startUpstream(t, (request, number) => {
    const { status, headers, bytes } = recordedAnswers[number - 1]!
    request.respond(status, headers, bytes.toString())
  })
  for (const answer of recordedAnswers) checkWhole(answer, await collect(answer.stream({ model: 'm', max_tokens: 1, messages: [] } as never, { baseURL, retries: 0 })))
})
