import { Deck, type SeededRandom } from '../seeded-random.ts'
import { CAST, SCENES, WORDS } from './story-words.ts'

export interface StoryOptions {
  readonly chapters: number
  /** What it is about, as the reader has put it. By default something is chosen. */
  readonly subject?: string | undefined
  /** To whom it is dedicated. */
  readonly reader?: string | undefined
}

/** The parts of a chapter, in their order. */
const PARTS = ['opening', 'event', 'talk', 'thought', 'closing'] as const

/**
 * Writes a story, in Markdown: about 350 tokens a chapter. A chapter is a scene of each kind, and in the scenes are
 * places for words (`{bird}`); the names, and what it is about, stay the same to the end.
 */
export function story (random: SeededRandom, { chapters, subject, reader }: StoryOptions): string {
  const cast: Record<string, string> = Object.fromEntries(Object.entries(CAST).map(([role, names]) => [role, random.pick(names)]))
  if (subject !== undefined) cast.subject = subject
  const words = new Map(Object.entries(WORDS).map(([kind, choices]) => [kind, new Deck(choices, random)]))
  const scenes = new Map(Object.entries(SCENES).map(([kind, choices]) => [kind, new Deck(choices, random)]))
  const write = (kind: string): string => {
    // Within a scene, a word stays the same as well.
    const here = { ...cast }
    return scenes.get(kind)!.draw().replaceAll(/\{(\w+)\}/g, (_place, name: string) => (here[name] ??= words.get(name)!.draw()))
  }

  const parts = [`# ${cast.hero} and the truth about ${cast.subject}`]
  if (reader !== undefined) parts.push(`*For ${reader}*`)
  parts.push(write('beginning'))
  for (let chapter = 1; chapter <= chapters; chapter++) {
    if (chapters > 1) parts.push(`## Chapter ${chapter}: ${write('title')}`)
    parts.push(...PARTS.map(write))
  }
  parts.push(write('end'), '*The end.*')
  return parts.join('\n\n')
}
