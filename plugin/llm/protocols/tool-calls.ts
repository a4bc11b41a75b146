import type { ModelDelta } from '../model-delta.ts'
import { ModelError } from '../model-error.ts'
import { AnswerPart, MAX_SIZE, PART_SIZE, type FinalValue, type Match } from './answer-part.ts'
import { CharacterJoiner } from './character-joiner.ts'
import { JsonScanner } from './json-scanner.ts'

/** The arguments of a call for which the model sends none. */
const NO_ARGUMENTS = '{}'
const OPENING_BRACE = 0x7B

export interface ToolCallOptions {
  /** The arguments if no fragment of them follows; `{}` by default. */
  readonly initialArguments?: string | undefined
  /** Another key of the call, which no other call has. */
  readonly alias?: unknown
  /** Whether the arguments are any text, not JSON, and may be empty. */
  readonly isText?: boolean | undefined
  /** Whether the arguments `{}` may stand only for arguments that follow. */
  readonly isProvisional?: boolean | undefined
  /** Whether the same event has a fragment with the same key before this one. */
  readonly isRepeatedKey?: boolean | undefined
}

interface Identity {
  readonly id?: string | undefined
  readonly name?: string | undefined
}

const UNNAMED: Identity = {}

export interface ToolCallFragment extends ToolCallOptions, Identity {
  /** Identifies the call; the same for all of its fragments, unless the server uses it for several calls. */
  readonly key: unknown
  readonly text: string
}

class ToolCall extends AnswerPart {
  readonly index: number
  readonly initialArguments: string
  readonly isText: boolean
  readonly joiner = new CharacterJoiner()
  readonly json = new JsonScanner()
  /** Whether the server repeats the name with fragments of the same call. */
  repeatsName = false
  /** Whether the server repeats the arguments so far with each fragment. */
  repeatsArguments = false
  /** Whether `{}` was received, and is written at the end unless arguments follow. */
  isEmptyObject = false

  constructor (index: number, { key, initialArguments, isText = false }: ToolCallFragment) {
    super(key)
    this.index = index
    this.isText = isText
    this.initialArguments = initialArguments ?? (isText ? '' : NO_ARGUMENTS)
  }
}

/** The tool calls of an answer, numbered from 0 in the order in which they start. */
export class ToolCalls {
  readonly parts: ToolCall[] = []
  readonly #push: (delta: ModelDelta) => void
  /** Without a key, fragments belong to the call that was started last. */
  readonly #byKey = new Map<unknown, ToolCall>()
  readonly #byId = new Map<string, ToolCall>()
  #size = 0

  constructor (push: (delta: ModelDelta) => void) {
    this.#push = push
  }

  has (key: unknown): boolean {
    return this.#byKey.has(key)
  }

  write (fragment: ToolCallFragment): void {
    const known = this.#byKey.get(fragment.key)
    if (known === undefined) return isBlank(fragment) ? undefined : this.#start(fragment)
    const sameId = fragment.id === undefined || fragment.id === known.id ? undefined : this.#byId.get(fragment.id)
    if (sameId !== undefined) this.#byKey.set(fragment.key, sameId)
    if (sameId === undefined && startsAnotherCall(fragment, known)) this.#start(fragment)
    else this.#extend(sameId ?? known, fragment, newArguments(sameId ?? known, fragment.text))
  }

  /** No fragment of a call's arguments follows. Whether a call without any is complete depends on the finish reason. */
  end (key: unknown): void {
    const call = this.#byKey.get(key)
    if (call !== undefined && call.text === '' && call.initialArguments !== NO_ARGUMENTS) this.#extend(call, UNNAMED, call.initialArguments)
  }

  /** @param isComplete whether a call without arguments has none; otherwise, they may have been cut off */
  endAll (isComplete: boolean): void {
    for (const call of this.parts) {
      const args = call.text !== '' ? call.joiner.end() : call.isEmptyObject ? NO_ARGUMENTS : isComplete ? call.initialArguments : ''
      if (args !== '') this.#write(call, undefined, undefined, args)
    }
  }

  writeFinal (value: FinalValue & ToolCallOptions, match: Match<AnswerPart> | undefined, pass: number): void {
    const { id, name, text, isText } = value
    if (match !== undefined) {
      this.#extend(match.part as ToolCall, value, match.rest)
      return match.part.cover(pass, match.rest.length)
    }
    const fragment = { key: value.items[0], id, name, text, isText }
    if (isBlank(fragment)) return
    this.#start(fragment)
    this.parts.at(-1)!.cover(pass, text.length)
  }

  #start (fragment: ToolCallFragment): void {
    this.#grow(PART_SIZE)
    const call = new ToolCall(this.parts.length, fragment)
    this.parts.push(call)
    call.alias = fragment.alias
    for (const key of [undefined, fragment.key, fragment.alias]) this.#byKey.set(key, call)
    call.isEmptyObject = fragment.isProvisional === true && fragment.text === NO_ARGUMENTS
    this.#extend(call, fragment, call.isEmptyObject ? '' : fragment.text)
  }

  /** Some servers repeat the id and the name with every fragment. */
  #extend (call: ToolCall, { id, name }: Identity, text: string): void {
    const isNew = call.id === undefined && call.name === undefined && call.text === ''
    const newId = call.id === undefined ? id : undefined
    const newName = call.name === undefined ? name : undefined
    call.id ??= newId
    call.name ??= newName
    if (newId !== undefined) this.#byId.set(newId, call)
    const args = text === '' ? '' : this.#joined(call, text)
    if (isNew || newId !== undefined || newName !== undefined || args !== '') this.#write(call, newId, newName, args)
  }

  #joined (call: ToolCall, text: string): string {
    this.#grow(text.length)
    call.text += text
    call.json.feed(text)
    return call.joiner.join(text)
  }

  /** @throws ModelError too_large, because endless calls must not use endless memory */
  #grow (size: number): void {
    this.#size += size
    if (this.#size > MAX_SIZE) throw new ModelError('too_large')
  }

  #write (call: ToolCall, id: string | undefined, name: string | undefined, args: string): void {
    this.#push({ type: 'tool-call', index: call.index, id, name, arguments: args })
  }
}

/**
 * Some servers send the arguments so far with each fragment. A JSON object continues with its own beginning only where a value
 * is expected.
 *
 * @returns what a fragment adds to the arguments
 */
function newArguments (call: ToolCall, fragment: string): string {
  const { text } = call
  if (fragment.length < text.length || fragment.charCodeAt(0) !== OPENING_BRACE || call.isText || text === '' || !fragment.startsWith(text)) return fragment
  if (!call.repeatsArguments) call.repeatsArguments = call.json.isComplete || (fragment.length > text.length && !/[:,[]$/.test(text.trimEnd()))
  return call.repeatsArguments ? fragment.slice(text.length) : fragment
}

function isBlank ({ id, name, text }: ToolCallFragment): boolean {
  return id === undefined && name === undefined && text === ''
}

/** Whether a fragment belongs to a new call although its key is known. Some servers use one key for all calls; others give every fragment an id. */
function startsAnotherCall ({ id, name, text, isRepeatedKey }: ToolCallFragment, call: ToolCall): boolean {
  if (name === undefined || call.name === undefined) return false
  if (id !== undefined && call.id !== undefined) return id !== call.id
  if (name !== call.name) return true
  if (isRepeatedKey === true && call.text === '') return true
  // A server that repeats the name with every fragment may do so once more after the last one.
  if (call.json.isComplete || call.isEmptyObject) return text !== '' || !call.repeatsName
  if (call.text !== '') call.repeatsName = true
  return false
}
