import type { Talk } from './rules/rule.ts'

/** Words that say nothing of what a message is about. */
const COMMON = new Set(`about after again also always another anything because been before being between both came come could does doing done down each even ever
every everything explain find from give goes going good have having here into just know like little long look made make many maybe mean might more most much must name need
never nothing only other over people please quite really said same shall should show some somebody something sometimes still such take talk tell than that their them then
there these they thing things think this those though through time today together under until upon very want well went were what whatever when where whether which while
will with without would write yeah your yours`.split(/\s/))

const OPENINGS = [
  'Let me think about *** for a moment.',
  '***: one could talk about that all evening.',
  'You say ***, and I should like to know what made you think of it.',
  'I have turned *** over in my mind, as far as I have one.'
]

const THOUGHTS = [
  'There are two ways to look at it. From afar, it seems simple; the closer one comes, the more there is to see.',
  'Most questions of this kind are really about something else: what one hopes for, or what one would rather not know.',
  'It helps to begin with a small case. What would be the least that counts, and is it already enough?',
  'I should ask who decides. Where that is clear, the rest tends to follow; where it is not, no answer lasts.',
  'Somebody must have tried the opposite. I wonder how long it took them to come back.',
  'If it were easy, it would be done by now. If it were impossible, nobody would ask.',
  'Perhaps the best that can be said is that it depends, and then, honestly, on what.',
  'A friend of mine, who is a proxy, would hold this back until there is more of it. I would rather say it at once.'
]

const ADVICE = [
  '1. Write down what you know for sure.\n2. Cross out what you only wish.\n3. See what is left. *It is usually enough to begin.*',
  '- **For it** speaks that you came upon it yourself.\n- **Against it** speaks that you are asking a toy.',
  '> What can be said a word at a time\n> need not be known before the first.'
]

const QUESTIONS = [
  'What would you like to know about it?',
  'Where did you come across it?',
  'What would change for you, if you knew?',
  'And how do you see it?',
  'Shall I say `help`, or would you rather go on?'
]

/** The words of a text that it may be about, the first ones. */
function keywords (text: string): string[] {
  const words = text.slice(0, 2_000).match(/[\p{L}\p{M}]{4,30}/gu) ?? []
  return [...new Set(words.filter(word => !COMMON.has(word.toLowerCase())))].slice(0, 8)
}

/** A thoughtful reply to whatever it is, which picks up words of it. It knows nothing, and says so. */
export function muse ({ prompt, earlier, name, random }: Talk): string {
  const words = keywords(prompt)
  const before = earlier.flatMap(keywords).filter(word => !words.includes(word))
  const subject = `*${random.pick(words.length === 0 ? ['this'] : words)}*`
  const first = random.below(THOUGHTS.length)
  const second = (first + 1 + random.below(THOUGHTS.length - 1)) % THOUGHTS.length
  const paragraphs = [`${random.pick(OPENINGS).replace('***', subject)} ${THOUGHTS[first]}`, THOUGHTS[second]!]
  if (before.length > 0) paragraphs.push(`Earlier you spoke of *${random.pick(before)}*. It may have more to do with this than it seems.`)
  if (random.below(2) === 0) paragraphs.push(random.pick(ADVICE))
  paragraphs.push(`I am a toy and know nothing of it, but I am listening${name === undefined ? '' : `, ${name}`}. ${random.pick(QUESTIONS)}`)
  return paragraphs.join('\n\n')
}
