import { Deck, type SeededRandom } from '../seeded-random.ts'
import { CAST, SCENES, WORDS } from './story-texts.ts'

export interface StoryOptions {
  readonly chapters: number
  /** Subject in the reader's words; chosen at random if undefined. */
  readonly subject?: string | undefined
  /** Name of the person to whom the story is dedicated. */
  readonly reader?: string | undefined
}

/** The scenes of a chapter, in order. */
const CHAPTER_SCENES = ['opening', 'event', 'talk', 'thought', 'closing'] as const

/**
 * Writes a story in Markdown, about 350 tokens per chapter. A chapter has one scene of each kind. Placeholders in a scene
 * (`{bird}`) are filled at random, except for the names and the subject, which are the same throughout the story.
 */
export function story (random: SeededRandom, { chapters, subject, reader }: StoryOptions): string {
  const cast: Record<string, string> = Object.fromEntries(Object.entries(CAST).map(([role, names]) => [role, random.pick(names)]))
  if (subject !== undefined) cast.subject = subject
  const words = new Map(Object.entries(WORDS).map(([kind, choices]) => [kind, new Deck(choices, random)]))
  const scenes = new Map(Object.entries(SCENES).map(([kind, choices]) => [kind, new Deck(choices, random)]))
  const write = (kind: string): string => {
    // A word is drawn once per scene, so that a scene stays consistent.
    const filled = { ...cast }
    return scenes.get(kind)!.draw().replaceAll(/\{(\w+)\}/g, (_placeholder, name: string) => (filled[name] ??= words.get(name)!.draw()))
  }

  const parts = [`# ${cast.hero} and the truth about ${cast.subject}`]
  if (reader !== undefined) parts.push(`*For ${reader}*`)
  parts.push(write('beginning'))
  for (let chapter = 1; chapter <= chapters; chapter++) {
    if (chapters > 1) parts.push(`## Chapter ${chapter}: ${write('title')}`)
    parts.push(...CHAPTER_SCENES.map(write))
  }
  parts.push(write('end'), '*The end.*')
  return parts.join('\n\n')
}
