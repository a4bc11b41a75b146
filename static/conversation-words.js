/* The texts about an answer: how it ended, and what the user can do. */

const NOW = 'Try again; it may succeed.'
const LATER = 'Try again later.'
const SHORTEN = 'Shorten your message, or start a new conversation.'
const START_NEW = 'Start a new conversation.'
const OPERATOR = 'Retrying won’t help; the server’s operator must fix this.'

/** Advice by the code of a failure. For other codes it depends on `retryable`. */
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
  upstream_rejected: START_NEW,
  prompt_too_long: SHORTEN,
  too_large: 'Ask for a shorter answer.',
  shutdown: 'It is probably restarting. Try again later.',
  http_400: START_NEW,
  http_413: SHORTEN,
  http_429: LATER,
  http_503: LATER
}

/** How an incomplete answer ended, by its finish reason. */
const FINISHES = {
  length: 'The answer has reached its maximum length. Ask the model to continue.',
  'content-filter': 'The model’s content filter cut off this answer.'
}

/** Describes how an answer ended; undefined if it is complete. */
export function describeOutcome ({ state, finishReason, failure }) {
  if (state === 'done') return FINISHES[finishReason]
  if (state === 'aborted') return 'You stopped this answer.'
  if (state === 'lost') return 'The server no longer has this answer, because it restarted or the answer is too old. Retry to get a complete one.'
  if (state === 'failed') return `${failure.message}. ${adviceOn(failure)}`
}

function adviceOn ({ code, retryable, retryAfter }) {
  if (retryable && retryAfter !== undefined) return `Try again in ${retryAfter} s.`
  return ADVICE[code] ?? (retryable ? NOW : 'The same request would probably fail again. Try to rephrase it.')
}

/** @param usage tokens, as sent by the server */
export function describeUsage ({ inputTokens, outputTokens }) {
  return `${format(inputTokens)} tokens in, ${format(outputTokens)} out`
}

function format (number) {
  return number.toLocaleString('en')
}
