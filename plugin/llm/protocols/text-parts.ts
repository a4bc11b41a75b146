import type { ModelDelta } from '../model-delta.ts'
import { AnswerPart, type FinalValue, type Match } from './answer-part.ts'
import { CharacterJoiner } from './character-joiner.ts'

/** The texts of one kind in an answer. */
export class TextParts {
  readonly parts: AnswerPart[] = []
  readonly #type: 'text' | 'reasoning' | 'refusal'
  readonly #push: (delta: ModelDelta) => void
  readonly #joiner = new CharacterJoiner()
  readonly #byPlace = new Map<string, AnswerPart>()
  #current: AnswerPart | undefined
  /** Whether any text was written that is not a final value. */
  #isStreamed = false

  constructor (type: 'text' | 'reasoning' | 'refusal', push: (delta: ModelDelta) => void) {
    this.#type = type
    this.#push = push
  }

  /** @param text not empty */
  write (text: string, item: unknown, position: unknown): void {
    let part = this.#current
    if (part === undefined || !part.continuesAt(item, position)) part = this.#partAt(item, position)
    this.#append(part, text)
  }

  /**
   * Removes what was written before from texts that repeat all of this kind, however they are divided. If they contradict it,
   * they are removed completely, unless the server streams no deltas: it may send only new texts each time.
   */
  omitWritten (values: ReadonlyArray<{ text: string }>): void {
    const written = this.parts.map(({ text }) => text).join('')
    const isRepeated = values.map(({ text }) => text).join('').startsWith(written)
    let length = isRepeated ? written.length : this.#isStreamed ? Infinity : 0
    for (const value of values) {
      const { text } = value
      value.text = text.slice(length)
      length = Math.max(0, length - text.length)
    }
  }

  writeFinal (value: FinalValue, match: Match<AnswerPart> | undefined, pass: number): void {
    if (match !== undefined) {
      if (match.rest === '') return
      this.#append(match.part, match.rest)
      return match.part.cover(pass, match.rest.length)
    }
    const part = new AnswerPart(value.items.find(isKey), value.position)
    this.parts.push(part)
    this.#append(part, value.text)
    part.cover(pass, value.text.length)
  }

  /** Writes what is held of a character that was never completed. */
  end (): void {
    const rest = this.#joiner.end()
    if (rest !== '') this.#push({ type: this.#type, text: rest })
  }

  #append (part: AnswerPart, text: string): void {
    part.text += text
    const whole = this.#joiner.join(text)
    if (whole !== '') this.#push({ type: this.#type, text: whole })
  }

  /** A place that a final value has completed is used again for another part. */
  #partAt (item: unknown, position: unknown): AnswerPart {
    const place = `${isKey(item) ? item : ''} ${isKey(position) ? position : ''}`
    this.#isStreamed = true
    let part = this.#byPlace.get(place)
    if (part === undefined || !part.continuesAt(part.item, part.position)) {
      part = new AnswerPart(isKey(item) ? item : undefined, isKey(position) ? position : undefined)
      this.parts.push(part)
      this.#byPlace.set(place, part)
    }
    this.#current = part
    return part
  }
}

/** Whether a value can name an item or a part. */
function isKey (value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number'
}
