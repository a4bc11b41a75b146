/* What the page says of an answer: how it goes, how it has ended, and what can be done about that. */

const NOW = 'Try again; it may go well the next time.'
const LATER = 'Try again in a little while.'
const SHORTEN = 'Say it in fewer words, or begin a new conversation.'
const ANEW = 'Begin a new conversation.'
const OPERATOR = 'To try again does not help: who runs this server has to see to it.'

/** By the code of a failure; of others, whether it is retryable says enough. */
const ADVICE = {
  upstream_unreachable: LATER,
  upstream_connect_timeout: LATER,
  upstream_rate_limit: LATER,
  upstream_overloaded: LATER,
  first_byte_timeout: LATER,
  upstream_auth: OPERATOR,
  upstream_quota: OPERATOR,
  upstream_not_found: OPERATOR,
  bad_content_type: OPERATOR,
  redirected: OPERATOR,
  upstream_rejected: ANEW,
  prompt_too_long: SHORTEN,
  too_large: 'Ask for less at once.',
  shutdown: 'It is being started anew, most likely. Try again in a little while.',
  http_400: ANEW,
  http_413: SHORTEN,
  http_429: LATER,
  http_503: LATER
}

/** How an answer that was not whole by itself has ended. */
const FINISHES = {
  length: 'The model has said as much as it may at once. Ask it to go on.',
  'content-filter': 'A filter of the model has cut this answer off.'
}

/** What there is to say of an answer that is over; undefined where it speaks for itself. */
export function outcomeOf ({ state, finishReason, failure }) {
  if (state === 'done') return FINISHES[finishReason]
  if (state === 'aborted') return 'You stopped this answer.'
  if (state === 'lost') return 'The server has no more of this answer: it was started anew, or it is too long ago. What there is of it here is all there is. Ask again for the whole.'
  if (state === 'failed') return `${failure.message}. ${adviceOn(failure)}`
}

function adviceOn ({ code, retryable, retryAfter }) {
  if (retryable && retryAfter !== undefined) return `Try again in ${retryAfter} s.`
  return ADVICE[code] ?? (retryable ? NOW : 'The same would most likely fail again. Put it in another way.')
}

/** @param usage in tokens, as the server tells it */
export function tokensOf ({ inputTokens, outputTokens }) {
  return `${count(inputTokens)} tokens read, ${count(outputTokens)} said`
}

function count (number) {
  return number.toLocaleString('en')
}
