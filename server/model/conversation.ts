import { splitFault, type Fault } from './faults.ts'

/** A message of the Chat Completions API. */
export interface Message {
  readonly role: string
  readonly content?: string | ReadonlyArray<{ readonly text: string }> | null | undefined
}

/** The parts of a conversation that an answer depends on. */
export interface Conversation {
  /** The user's last message without its fault. Empty if it consists of a fault only, or if there is no message. */
  readonly prompt: string
  /** The fault requested by the last message. */
  readonly fault: Fault | undefined
  /** The user's earlier messages without their faults, oldest first. */
  readonly earlier: readonly string[]
  /** The user's name, if any message contains it. */
  readonly name: string | undefined
}

export const NAME_PATTERN = /\b(?:my name is|my name's|call me|i am called)\s+(?!(?:an?|the|not?|back|when|if|what)\b)(\p{L}[\p{L}'’-]{0,29})/iu
export const INTRODUCTION_PATTERN = /^(?:[Hh]i|[Hh]ello|[Hh]ey)\b[\s,.!]*(?:I'm|I’m|I am|i'm|i am|[Tt]his is)\s+(\p{Lu}[\p{L}'’-]{0,29})[.!]?$/u

/** Characters of a message that are searched for a name. */
const SEARCHED_LENGTH = 2_000

export function readConversation (messages: readonly Message[]): Conversation {
  const fromUser = messages.filter(({ role }) => role === 'user').map(message => splitFault(textOf(message)))
  const { fault, rest: prompt } = fromUser.at(-1) ?? splitFault('')
  const texts = fromUser.map(({ rest }) => rest.trim())
  const name = texts.reduceRight<string | undefined>((name, text) => name ?? findName(text), undefined)
  return { prompt: prompt.trim(), fault, earlier: texts.slice(0, -1), name }
}

/** The text of a message, joined from its parts if it has several. */
export function textOf ({ content }: Message): string {
  if (typeof content === 'string') return content
  return content?.map(({ text }) => text).join('') ?? ''
}

function findName (text: string): string | undefined {
  const beginning = text.slice(0, SEARCHED_LENGTH)
  const name = (NAME_PATTERN.exec(beginning) ?? INTRODUCTION_PATTERN.exec(beginning))?.[1]
  return name === undefined ? undefined : name[0]!.toUpperCase() + name.slice(1)
}
