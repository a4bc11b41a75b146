import type { Rule } from './rule.ts'

/** Who says it, seen from the other side. */
const TURNED = new Map([
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

function turned (text: string): string {
  return text.trim().replaceAll('’', "'").replaceAll(/[\p{L}']+/gu, word => TURNED.get(word.toLowerCase()) ?? word)
}

/** A rule that says back what it has heard, in the place of `*`. */
function echo (pattern: RegExp, ...replies: string[]): Rule {
  return [pattern, ({ random }, [, heard]) => random.pick(replies).replace('*', () => turned(heard!))]
}

/**
 * Joseph Weizenbaum's idea (ELIZA, Communications of the ACM 9, 1966): a reply to what somebody says of themselves is
 * made from their own words.
 */
export const REFLECTION: readonly Rule[] = [
  echo(/\bi think (?:that )?([^.!?\n]{1,80})/i, 'What makes you think that *?', 'Suppose that * were not so. What then?'),
  echo(/\bi (?:feel|am feeling|'m feeling) ([^.!?\n]{1,80})/i, 'What makes you feel *?', 'Do you often feel *? And what helps, when you do?', 'Since when have you been feeling *?'),
  echo(/\b(?:i am|i'm|i’m) ([^.!?\n]{1,80})/i, 'Why are you *, do you think?', 'How long have you been *?', 'Is it good to be *?'),
  echo(/\bi (?:want|need|would like|wish for) ([^.!?\n]{1,80})/i, 'What would be different if you had what you are asking for: *?', 'Suppose you got it (*) tomorrow. What would you do the day after?', 'And what keeps you from *?'),
  echo(/\bi (?:like|love|enjoy) ([^.!?\n]{1,80})/i, 'What is it that you like about *?', 'When did you first come upon *?', 'Tell me the best thing about *.'),
  echo(/\bi (?:hate|dislike|can't stand|don't like) ([^.!?\n]{1,80})/i, 'What is the worst of *?', 'Was there a time when you did not mind *?'),
  echo(/\bi (?:can't|can’t|cannot) ([^.!?\n]{1,80})/i, 'What would it take for you to *?', 'Perhaps you could *, if somebody helped. Who might?'),
  echo(/\bmy (mother|father|sister|brother|family|friend|boss|wife|husband|son|daughter|cat|dog)\b/i, 'Tell me more about your *.', 'What would your * say, if they could hear us?'),
  echo(/\bbecause ([^.!?\n]{1,80})/i, 'Is that the only reason, that *?', 'And if it were not that *, would the rest still hold?'),
  echo(/^(?:can|could|would|will) you (?:please )?([^.!?\n]{1,80})/i, 'I wish I could *. I am a toy, and know only what `help` shows. But tell me: what would you do with it?', 'To * is more than I have learnt. Say `help` to see what I can do.'),
  echo(/^you(?:'re|’re| are) ([^.!?\n]{1,80})/i, 'Am I *? You may be right; I have only ever been what the rules say.', 'What makes you say that I am *?'),
  echo(/^why ([^?\n]{1,80})/i, 'Why *? I could invent a reason, but I do not know. What is your own guess?', 'Before we ask why *, are we sure that it is so?')
]
