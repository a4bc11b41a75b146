import type { Rule } from './rule.ts'

/** Words that change when the other person says them. */
const SWAPPED = new Map([
  ['i', 'you'],
  ['me', 'you'],
  ['my', 'your'],
  ['mine', 'yours'],
  ['myself', 'yourself'],
  ['am', 'are'],
  ["i'm", 'you are'],
  ["i've", 'you have'],
  ["i'll", 'you will'],
  ['you', 'I'],
  ['your', 'my'],
  ['yours', 'mine'],
  ['yourself', 'myself'],
  ["you're", 'I am']
])

function swapPerspective (text: string): string {
  return text.trim().replaceAll('’', "'").replaceAll(/[\p{L}']+/gu, word => SWAPPED.get(word.toLowerCase()) ?? word)
}

/** A rule that repeats the user's words at the `*` of a reply. */
function reflect (pattern: RegExp, ...replies: string[]): Rule {
  return [pattern, ({ random }, [, words]) => random.pick(replies).replace('*', () => swapPerspective(words!))]
}

/** Replies made from the user's own words, as in Joseph Weizenbaum’s ELIZA (Communications of the ACM 9, 1966). */
export const REFLECTION_RULES: readonly Rule[] = [
  reflect(/\bi think (?:that )?([^.!?\n]{1,80})/i, 'What makes you think that *?', 'Suppose it isn’t true that *. What then?'),
  reflect(/\bi (?:feel|am feeling|'m feeling) ([^.!?\n]{1,80})/i, 'What makes you feel *?', 'Do you often feel *? What helps when you do?', 'How long have you been feeling *?'),
  reflect(/\b(?:i am|i'm|i’m) ([^.!?\n]{1,80})/i, 'Why are you *, do you think?', 'How long have you been *?', 'Is it good to be *?'),
  reflect(/\bi (?:want|need|would like|wish for) ([^.!?\n]{1,80})/i, 'What would change if you got what you’re asking for: *?', 'Suppose you got it (*) tomorrow. What would you do the day after?', 'And what keeps you from *?'),
  reflect(/\bi (?:like|love|enjoy) ([^.!?\n]{1,80})/i, 'What do you like about *?', 'When did you first discover *?', 'Tell me the best thing about *.'),
  reflect(/\bi (?:hate|dislike|can't stand|don't like) ([^.!?\n]{1,80})/i, 'What is the worst thing about *?', 'Was there a time when you didn’t mind *?'),
  reflect(/\bi (?:can't|can’t|cannot) ([^.!?\n]{1,80})/i, 'What would it take for you to *?', 'Perhaps you could * if somebody helped. Who might?'),
  reflect(/\bmy (mother|father|sister|brother|family|friend|boss|wife|husband|son|daughter|cat|dog)\b/i, 'Tell me more about your *.', 'What would your * say to that?'),
  reflect(/\bbecause ([^.!?\n]{1,80})/i, 'Is that the only reason, that *?', 'And if it weren’t true that *, would anything change?'),
  reflect(/^(?:can|could|would|will) you (?:please )?([^.!?\n]{1,80})/i, 'I wish I could *. I’m a toy, and `help` lists everything I can do. What would you do with it?', 'I can’t *. Say `help` to see what I can do.'),
  reflect(/^you(?:'re|’re| are) ([^.!?\n]{1,80})/i, 'Am I *? You may be right. I only follow my rules.', 'What makes you say that I am *?'),
  reflect(/^why ([^?\n]{1,80})/i, 'Why *? I could make up a reason, but I don’t know. What’s your guess?', 'Before we ask why *, are we sure that it’s true?')
]
