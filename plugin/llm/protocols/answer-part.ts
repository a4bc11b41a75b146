/** The maximum size of what is kept of an answer, to compare it with final values: characters, and `PART_SIZE` for each part. */
export const MAX_SIZE = 2 * 1024 * 1024
export const PART_SIZE = 64

/** One text of the answer, or the arguments of one tool call, as received so far. Final values repeat it, and cover what they repeat. */
export class AnswerPart {
  /** The item that the part belongs to: its position in the answer, or its id. Undefined if the server sends neither. */
  readonly item: unknown
  /** The position of the part in its item. */
  readonly position: unknown
  /** Another key of the item, which no other item has. */
  alias: unknown
  id: string | undefined
  name: string | undefined
  text = ''
  #pass = 0
  #covered = 0

  constructor (item: unknown, position?: unknown) {
    this.item = item
    this.position = position
  }

  /** Whether text at this place continues the part. What the server omits may have any value. */
  continuesAt (item: unknown, position: unknown): boolean {
    return this.#pass === 0 && isSame(this.item, item) && isSame(this.position, position)
  }

  /** The text that no final value of a pass has covered; undefined if there is none. */
  uncovered (pass: number): string | undefined {
    if (this.#pass < pass) return this.text
    return this.#pass === pass && this.#covered < this.text.length ? this.text.slice(this.#covered) : undefined
  }

  /** Whether no final value of a pass has covered any of the text. */
  isUntouched (pass: number): boolean {
    return this.#pass < pass
  }

  cover (pass: number, length: number): void {
    this.#covered = (this.#pass === pass ? this.#covered : 0) + length
    this.#pass = pass
  }
}

/** A complete text, which a server sends at the end of a part, an item or the answer. */
export interface FinalValue {
  /** The keys by which the server may have named the item before: its position, its id. */
  readonly items: readonly unknown[]
  readonly position?: unknown
  readonly id?: string | undefined
  readonly name?: string | undefined
  readonly text: string
}

export interface Match<Part> {
  readonly part: Part
  /** The end of the final value that was not streamed. */
  readonly rest: string
}

type Rule = (part: AnswerPart, value: FinalValue, uncovered: string, pass: number) => boolean

/** From the most to the least certain. A value that contradicts its part still belongs to it: deltas can't be taken back. */
const RULES: readonly Rule[] = [
  isIdentical,
  (part, value, uncovered) => isAtPlace(part, value) && agree(uncovered, value.text),
  (part, value, uncovered) => !isElsewhere(part, value) && uncovered !== '' && (value.text === uncovered || (part.isUntouched(1) && value.text.startsWith(uncovered))),
  isAtPlace
]

/** For the values of a whole answer, in which some servers number the items differently. */
const RULES_OF_WHOLE_ANSWERS: readonly Rule[] = [
  ...RULES.slice(0, 2),
  (_part, value, uncovered) => uncovered !== '' && uncovered === value.text,
  (_part, value, uncovered) => uncovered !== '' && agree(uncovered, value.text),
  isAtPlace,
  (part, _value, uncovered, pass) => uncovered !== '' && part.isUntouched(pass)
]

/**
 * Finds the part of each final value by id, by place and by text, since servers omit, reuse and change ids and positions.
 *
 * @param pass parts are covered once in each pass: by values of parts, then of items, then of the answer
 * @returns a match for each value that was streamed at least in part
 */
export function matchFinalValues<Part extends AnswerPart> (parts: readonly Part[], values: readonly FinalValue[], pass: number, isWholeAnswer: boolean): Map<FinalValue, Match<Part>> {
  const matches = new Map<FinalValue, Match<Part>>()
  for (const rule of isWholeAnswer ? RULES_OF_WHOLE_ANSWERS : RULES) {
    for (const value of values) {
      const match = matches.has(value) ? undefined : matchValue(parts, value, pass, rule)
      if (match !== undefined) matches.set(value, match)
    }
  }
  return matches
}

function matchValue<Part extends AnswerPart> (parts: readonly Part[], value: FinalValue, pass: number, rule: Rule): Match<Part> | undefined {
  for (const [index, part] of parts.entries()) {
    const uncovered = part.uncovered(pass)
    // Some servers send a final value twice.
    if (uncovered === undefined && isIdentical(part, value) && isCompatible(part, value)) return { part, rest: '' }
    if (uncovered === undefined || !isCompatible(part, value) || !rule(part, value, uncovered, pass)) continue
    if (agree(uncovered, value.text)) return coverParts(parts, index, value.text, pass)
    part.cover(pass, uncovered.length)
    return { part, rest: '' }
  }
  return undefined
}

/** Covers the parts that make up a value. There are several if the server changes the id of an item with every event. */
function coverParts<Part extends AnswerPart> (parts: readonly Part[], start: number, value: string, pass: number): Match<Part> {
  let part = parts[start]!
  let rest = coverBeginning(part, value, pass)
  for (const next of parts.slice(start + 1)) {
    if (rest === '' || isToolCall(next) || !next.isUntouched(pass) || !rest.startsWith(next.text)) break
    rest = coverBeginning(next, rest, pass)
    part = next
  }
  return { part, rest }
}

/** @returns the rest of the value */
function coverBeginning (part: AnswerPart, value: string, pass: number): string {
  const length = Math.min(part.uncovered(pass)!.length, value.length)
  part.cover(pass, length)
  return value.slice(length)
}

function isIdentical (part: AnswerPart, value: FinalValue): boolean {
  return (part.id !== undefined && part.id === value.id) || (part.alias !== undefined && value.items.includes(part.alias))
}

function isAtPlace (part: AnswerPart, value: FinalValue): boolean {
  return (part.item === undefined || value.items.every(item => item === undefined) || value.items.includes(part.item)) && isSame(part.position, value.position)
}

/** Unlike ids, positions are reliable within a stream. */
function isElsewhere (part: AnswerPart, value: FinalValue): boolean {
  const haveItems = typeof part.item === 'number' && value.items.some(item => typeof item === 'number')
  return !isSame(part.position, value.position) || (haveItems && !isAtPlace(part, value))
}

function isCompatible (part: AnswerPart, value: FinalValue): boolean {
  return isSame(part.id, value.id) && isSame(part.name, value.name)
}

function isToolCall (part: AnswerPart): boolean {
  return part.id !== undefined || part.name !== undefined
}

function isSame (one: unknown, other: unknown): boolean {
  return one === undefined || other === undefined || one === other
}

/** Whether one text is the beginning of the other. */
function agree (text: string, value: string): boolean {
  return value.startsWith(text) || text.startsWith(value)
}
