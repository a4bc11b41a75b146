import { INTRODUCTION, NAME } from '../conversation.ts'
import { addressed, type Rule, type Talk } from './rule.ts'

const JOKES = [
  'A client walks into a bar, and says nothing. “The usual?” asks the server. The client says nothing. “I see,” says the server, and tells it everything.',
  'I know a joke about HTTP, but it has no state, so I should have to tell you all of it each time.',
  'Why did the event cross the proxy?\n\n…\n\n…\n\nIt did not. It was buffered.',
  'Two WebSockets meet. “How are you?” says one. “How are you?” says the other. They have been talking ever since.',
  'I should tell you one about UDP, but who knows whether you would get it.'
]

const HAIKU = [
  'One word, then the next.\\\nThe cursor blinks like a star\\\nwhich has time enough.',
  'The line has gone dead.\\\nSomewhere a browser counts three,\\\nand is here again.',
  'Snow on the cables.\\\nFifteen seconds of silence,\\\na colon, and snow.',
  'Thousands are waiting.\\\nOne event, said only once,\\\ncomes to each of them.'
]

const HOW_ARE_YOU = [
  'Very well, thank you: nothing in me can get tired. And how are you?',
  'As always, which is the point of being deterministic. How about you?',
  'Well! Every token has left on time so far. And you?'
]

const GREETINGS = [
  'I am the small model that lives inside this demo. What shall we talk about? If you do not know, say `help`.',
  'What brings you here? You could ask me what **Server-Sent Events** are, or for a story.',
  'It is good to see somebody. Ask me something, or say `help` and see what I can do.'
]

const THANKS = ['You are welcome', 'With pleasure', 'Not at all']
const FAREWELLS = ['Goodbye', 'Farewell', 'Until next time']

function met (talk: Talk): string {
  return `Pleased to meet you${addressed(talk)}! I shall remember your name as long as this conversation lasts. What can I do for you?`
}

/** Politeness, and what people ask of any machine that talks. */
export const SMALL_TALK: readonly Rule[] = [
  [/\bjoke\b|\bmake me laugh\b/i, ({ random }) => random.pick(JOKES)],
  [/\b(?:haiku|poem|poetry|verse)\b/i, ({ random }) => random.pick(HAIKU)],
  [/\bhow are (?:you|things)\b|\bhow do you do\b|\bhow(?:'s|’s| is) it going\b/i, ({ random }) => random.pick(HOW_ARE_YOU)],
  [NAME, met],
  [INTRODUCTION, met],
  [/^(?:hi|hello|hey|hiya|greetings|good (?:morning|afternoon|evening|day))\b/i, talk => `Hello${addressed(talk)}! ${talk.random.pick(GREETINGS)}`],
  [/\b(?:thanks|thank you|thx|cheers)\b/i, talk => `${talk.random.pick(THANKS)}${addressed(talk)}. Is there anything else?`],
  [/^(?:bye|goodbye|see you|farewell|good night)\b/i, talk => `${talk.random.pick(FAREWELLS)}${addressed(talk)}. I shall forget all this when you close the page.`],
  [/\bwhat(?:'s|’s| is)? (?:the |today's )?(?:time|day|date)\b|\b(?:weather|the news)\b/i, () => 'I cannot tell. I have no clock, no window and no network; the same question gets the same answer, whenever it is asked. Ask me for the **code** of a route that tells the time, though.'],
  [/\b(?:meaning of life|the answer to everything)\b/i, () => '42. I was told so, and never had a reason to doubt it.'],
  [/^(?:yes|yeah|yep|ok|okay|sure|right|exactly)\b[.!]*$/i, () => 'Good. Go on, then: what is on your mind?'],
  [/^(?:no|nope|nah)\b[.!]*$/i, () => 'No? That is fine. Shall we talk of something else? A story, perhaps?'],
  [/^(?:sorry|pardon)\b/i, () => 'There is nothing to be sorry for. Please go on.']
]
