import { splitFault, type Fault } from './faults.ts'

/** A message as the protocol has it. */
export interface Message {
  readonly role: string
  readonly content?: string | ReadonlyArray<{ readonly text: string }> | null | undefined
}

/** What has been said so far, as far as an answer needs it. */
export interface Conversation {
  /** What the person says now, without the fault. Empty if it is only the fault, or nobody has said anything. */
  readonly prompt: string
  /** The fault that the person asks for. */
  readonly fault: Fault | undefined
  /** What the person has said before, without faults, the oldest first. */
  readonly earlier: readonly string[]
  /** The person's name, if they have told it, now or before. */
  readonly name: string | undefined
}

/** How people tell their names. */
export const NAME = /\b(?:my name is|my name's|call me|i am called)\s+(?!(?:an?|the|not?|back|when|if|what)\b)(\p{L}[\p{L}'’-]{0,29})/iu
export const INTRODUCTION = /^(?:[Hh]i|[Hh]ello|[Hh]ey)\b[\s,.!]*(?:I'm|I’m|I am|i'm|i am|[Tt]his is)\s+(\p{Lu}[\p{L}'’-]{0,29})[.!]?$/u

/** Characters of a message in which a name is looked for. */
const HEARD = 2_000

export function readConversation (messages: readonly Message[]): Conversation {
  const said = messages.filter(({ role }) => role === 'user').map(message => splitFault(textOf(message)))
  const { fault, rest: prompt } = said.at(-1) ?? splitFault('')
  const texts = said.map(({ rest }) => rest.trim())
  return { prompt: prompt.trim(), fault, earlier: texts.slice(0, -1), name: texts.reduceRight<string | undefined>((name, text) => name ?? nameIn(text), undefined) }
}

/** What a message says, of however many parts it is. */
export function textOf ({ content }: Message): string {
  if (typeof content === 'string') return content
  return content?.map(({ text }) => text).join('') ?? ''
}

function nameIn (text: string): string | undefined {
  const heard = text.slice(0, HEARD)
  const name = (NAME.exec(heard) ?? INTRODUCTION.exec(heard))?.[1]
  return name === undefined ? undefined : name[0]!.toUpperCase() + name.slice(1)
}
