import type { ReplyContext } from './rules/rule.ts'

/** Frequent words that say nothing about the subject of a message. */
const STOP_WORDS = new Set(`about after again also always another anything because been before being between both came come could does doing done down each even ever
every everything explain find from give goes going good have having here into just know like little long look made make many maybe mean might more most much must name need
never nothing only other over people please quite really said same shall should show some somebody something sometimes still such take talk tell than that their them then
there these they thing things think this those though through time today together under until upon very want well went were what whatever when where whether which while
will with without would write yeah your yours`.split(/\s/))

const OPENINGS = [
  'Let me think about *** for a moment.',
  'I could talk about *** all evening.',
  'You mention ***, and I’d like to know what made you think of it.',
  'I’ve been turning *** over in my mind, to the extent that I have one.'
]

const THOUGHTS = [
  'There are two ways to look at it. From a distance it seems simple; the closer you get, the more there is to see.',
  'Most questions of this kind are really about something else: what we hope for, or what we’d rather not know.',
  'It helps to start with a small case. What is the least that would count, and is it already enough?',
  'I’d ask who decides. Once that is clear, the rest tends to follow; until it is, no answer lasts.',
  'Somebody must have tried the opposite. I wonder how long it took them to change their mind.',
  'If it were easy, it would be done by now. If it were impossible, nobody would ask.',
  'Perhaps the best answer is that it depends, and then, honestly, on what.',
  'A friend of mine, a proxy, would hold this back until there was more of it. I’d rather say it right away.'
]

const ADVICE = [
  '1. Write down what you know for sure.\n2. Cross out what you only wish.\n3. See what is left. *It’s usually enough to start with.*',
  '- **In favor:** you thought of it yourself.\n- **Against:** you’re asking a toy.',
  '> You can say it one word at a time\n> before you know how it ends.'
]

const QUESTIONS = [
  'What would you like to know about it?',
  'Where did you come across it?',
  'What would change for you if you knew?',
  'And what do you think?',
  'Do you want to see what I can do (say `help`), or shall we continue?'
]

/** The first words of a text that may be its subject. */
function keywords (text: string): string[] {
  const words = text.slice(0, 2_000).match(/[\p{L}\p{M}]{4,30}/gu) ?? []
  return [...new Set(words.filter(word => !STOP_WORDS.has(word.toLowerCase())))].slice(0, 8)
}

/** Answers a message that matches no rule with a few thoughts that pick up its words. */
export function fallbackAnswer ({ prompt, earlier, name, random }: ReplyContext): string {
  const words = keywords(prompt)
  const earlierWords = earlier.flatMap(keywords).filter(word => !words.includes(word))
  const subject = `*${random.pick(words.length === 0 ? ['this'] : words)}*`
  const first = random.below(THOUGHTS.length)
  const second = (first + 1 + random.below(THOUGHTS.length - 1)) % THOUGHTS.length
  const paragraphs = [`${random.pick(OPENINGS).replace('***', subject)} ${THOUGHTS[first]}`, THOUGHTS[second]!]
  if (earlierWords.length > 0) paragraphs.push(`Earlier you mentioned *${random.pick(earlierWords)}*. It may have more to do with this than it seems.`)
  if (random.below(2) === 0) paragraphs.push(random.pick(ADVICE))
  paragraphs.push(`I’m a toy and know nothing about it, but I’m listening${name === undefined ? '' : `, ${name}`}. ${random.pick(QUESTIONS)}`)
  return paragraphs.join('\n\n')
}
