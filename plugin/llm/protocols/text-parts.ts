import type { ModelDelta } from '../model-delta.ts'
import { AnswerPart, MAX_SIZE, PART_SIZE, type FinalValue, type Match } from './answer-part.ts'
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
  #size = 0

  constructor (type: 'text' | 'reasoning' | 'refusal', push: (delta: ModelDelta) => void) {
    this.#type = type
    this.#push = push
  }

  write (text: string, item: unknown, position: unknown): void {
    if (text === '') return
    if (this.#isTooLong) return this.#send(text)
    let part = this.#current
    if (part === undefined || !part.continuesAt(item, position)) part = this.#partAt(item, position)
    this.#append(part, text)
  }

  /**
   * Removes what was written before from texts that repeat all of this kind, however they are divided. If they contradict it,
   * they are removed completely, unless the server streams no deltas: it may send only new texts each time.
   */
  omitWritten (values: ReadonlyArray<{ text: string }>): void {
    if (this.#isTooLong) for (const value of values) value.text = ''
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
    if (this.#isTooLong) return
    if (match !== undefined) {
      if (match.rest === '') return
      this.#append(match.part, match.rest)
      return match.part.cover(pass, match.rest.length)
    }
    const part = this.#addPart(value.items.find(isKey), value.position)
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
    this.#size += text.length
    if (this.#isTooLong) this.#forget()
    this.#send(text)
  }

  /** Whether the text is no longer kept, because an endless answer must not use endless memory. */
  get #isTooLong (): boolean {
    return this.#size > MAX_SIZE
  }

  #forget (): void {
    this.parts.length = 0
    this.#byPlace.clear()
    this.#current = undefined
  }

  #addPart (item: unknown, position: unknown): AnswerPart {
    const part = new AnswerPart(item, position)
    this.parts.push(part)
    this.#size += PART_SIZE
    return part
  }

  #send (text: string): void {
    const whole = this.#joiner.join(text)
    if (whole !== '') this.#push({ type: this.#type, text: whole })
  }

  /** A place that a final value has completed is used again for another part. */
  #partAt (item: unknown, position: unknown): AnswerPart {
    const place = `${isKey(item) ? item : ''} ${isKey(position) ? position : ''}`
    this.#isStreamed = true
    let part = this.#byPlace.get(place)
    if (part === undefined || !part.continuesAt(part.item, part.position)) {
      part = this.#addPart(isKey(item) ? item : undefined, isKey(position) ? position : undefined)
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
