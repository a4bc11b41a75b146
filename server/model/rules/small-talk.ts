import { INTRODUCTION_PATTERN, NAME_PATTERN } from '../conversation.ts'
import { commaName, type ReplyContext, type Rule } from './rule.ts'

const JOKES = [
  'A client walks into a bar and says nothing. “The usual?” asks the server. The client says nothing. “I see,” says the server, and tells it everything.',
  'I know a joke about HTTP, but it has no state, so I’d have to tell you all of it each time.',
  'Why did the event cross the proxy?\n\n…\n\n…\n\nIt didn’t. It was buffered.',
  'Two WebSockets meet. “How are you?” says one. “How are you?” says the other. They’ve been talking ever since.',
  'I’d tell you one about UDP, but you might not get it.'
]

const HAIKU = [
  'One word, then the next.\\\nThe cursor blinks like a star\\\nthat has time enough.',
  'The line has gone dead.\\\nSomewhere a browser counts three,\\\nand is here again.',
  'Snow on the cables.\\\nFifteen seconds of silence,\\\na colon, and snow.',
  'Thousands are waiting.\\\nOne event, sent only once,\\\nreaches each of them.'
]

const HOW_ARE_YOU = [
  'Very well, thank you. I never get tired. How are you?',
  'Same as always; that’s what being deterministic means. How about you?',
  'Well! Every token has been on time so far. And you?'
]

const GREETINGS = [
  'I’m the small model inside this demo. What shall we talk about? If you don’t know, say `help`.',
  'What brings you here? You could ask me what **Server-Sent Events** are, or for a story.',
  'Good to see you. Ask me something, or say `help` to see what I can do.'
]

const THANKS = ['You’re welcome', 'My pleasure', 'Any time']
const FAREWELLS = ['Goodbye', 'Take care', 'See you next time']

function meet (context: ReplyContext): string {
  return `Pleased to meet you${commaName(context)}! I’ll remember your name for the rest of this conversation. What can I do for you?`
}

/** Politeness, and questions that people ask of any chatbot. */
export const SMALL_TALK_RULES: readonly Rule[] = [
  [/\bjoke\b|\bmake me laugh\b/i, ({ random }) => random.pick(JOKES)],
  [/\b(?:haiku|poem|poetry|verse)\b/i, ({ random }) => random.pick(HAIKU)],
  [/\bhow are (?:you|things)\b|\bhow do you do\b|\bhow(?:'s|’s| is) it going\b/i, ({ random }) => random.pick(HOW_ARE_YOU)],
  [NAME_PATTERN, meet],
  [INTRODUCTION_PATTERN, meet],
  [/^(?:hi|hello|hey|hiya|greetings|good (?:morning|afternoon|evening|day))\b/i, context => `Hello${commaName(context)}! ${context.random.pick(GREETINGS)}`],
  [/\b(?:thanks|thank you|thx|cheers)\b/i, context => `${context.random.pick(THANKS)}${commaName(context)}. Is there anything else?`],
  [/^(?:bye|goodbye|see you|farewell|good night)\b/i, context => `${context.random.pick(FAREWELLS)}${commaName(context)}. I won’t remember this conversation.`],
  [/\bwhat(?:'s|’s| is)? (?:the |today's )?(?:time|day|date)\b|\b(?:weather|the news)\b/i, () => 'I can’t tell. I have no clock, no window and no network, and the same question always gets the same answer. But ask me for the **code** of a route that sends the time.'],
  [/\b(?:meaning of life|the answer to everything)\b/i, () => '42. That’s what I was told, and I’ve never had a reason to doubt it.'],
  [/^(?:yes|yeah|yep|ok|okay|sure|right|exactly)\b[.!]*$/i, () => 'Good. What else is on your mind?'],
  [/^(?:no|nope|nah)\b[.!]*$/i, () => 'No? That’s fine. Let’s talk about something else. A story, perhaps?'],
  [/^(?:sorry|pardon)\b/i, () => 'There’s nothing to be sorry for. Please continue.']
]
