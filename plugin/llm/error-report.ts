/** The description of a failure, from all places where servers put it. */
export interface ErrorReport {
  /** Statuses that are numbers, the most specific first. */
  readonly statuses: readonly number[]
  /** Codes, types and statuses that are words, one per line, in lower case. */
  readonly codes: string
  /** Codes and messages, in lower case. */
  readonly text: string
  /** The messages as they were sent, or else the codes; undefined if there are none. */
  readonly message: string | undefined
  /** Milliseconds to wait before a retry, as Google's servers state them. */
  readonly retryDelay: number | undefined
}

type Fields = Readonly<Record<string, unknown>>

const STATUS_FIELDS = ['code', 'status_code', 'statusCode', 'StatusCode', 'error_code', 'errorCode', 'status', 'type', 'error_type', '__type', 'reason']
const MESSAGE_FIELDS = ['message', 'Message', 'msg', 'error_msg', 'error_message', 'errorMessage', 'status_msg']
const TEXT_FIELDS = [...MESSAGE_FIELDS, 'detail', 'raw']
/** Objects and lists that hold a part of the report. Errors come first: they are more specific than what contains them. */
const INNER_REPORTS = ['error', 'errors']
const OUTER_REPORTS = ['detail', 'details', 'base_resp', 'metadata', 'raw']
const MAX_DEPTH = 6

/** MiniMax's codes and the equivalent HTTP statuses. */
const BASE_RESP_STATUSES = new Map<unknown, number>([[1002, 429], [1004, 401], [1008, 402], [1039, 429], [2049, 401]])

/** Types and statuses of events that report no failure, even if they have a message. */
const HARMLESS = /^(?:ping|keep-?alive|heartbeat|comment|notice|info|warning|status|progress|processing|pending|queued|waiting|running|in_progress|started|ok|success|succeeded|completed)$/i

/**
 * Whether JSON that is not a part of an answer reports a failure: `{"error":…}`, `[{"error":…}]`, `{"detail":…}`,
 * `{"message":…}`, `{"code":"Throttling",…}`, `{"base_resp":{"status_code":1008}}`, `{"errors":[…]}` and the like.
 */
export function reportsError (value: unknown): boolean {
  if (Array.isArray(value)) return value.some(item => !Array.isArray(item) && reportsError(item))
  const fields = Object(value) as Fields
  const { error, errors, type } = fields
  // Some servers send an empty `error` with every event.
  if (error && (isFilled(error) || Object.keys(fields).length === 1)) return true
  if (type === 'error' || fields.object === 'error' || fields.success === false || isFilled(errors)) return true
  if (isFailureStatus((Object(fields.base_resp) as Fields).status_code)) return true
  const words = [type, fields.status, fields.code].filter(isWord)
  if (words.some(word => HARMLESS.test(word))) return false
  const statuses = STATUS_FIELDS.map(name => fields[name]).filter(isNumeric)
  if (statuses.length > 0) return statuses.some(isFailureStatus)
  return isFilled(fields.detail) || isWord(fields.code) || MESSAGE_FIELDS.some(name => isWord(fields[name]))
}

/** Collects the description of a failure. @param value text, or JSON of any shape */
export function readErrorReport (value: unknown): ErrorReport {
  const statuses: number[] = []
  const codes: string[] = []
  const messages: string[] = []
  let retryDelay: number | undefined

  const read = (part: unknown, depth: number): void => {
    if (typeof part === 'string') messages.push(part)
    if (typeof part !== 'object' || part === null || depth > MAX_DEPTH) return
    // FastAPI lists what is invalid.
    if (Array.isArray(part)) return part.forEach(item => { read(item, depth + 1) })
    const fields = part as Fields
    for (const name of INNER_REPORTS) read(fields[name], depth + 1)
    for (const name of STATUS_FIELDS) {
      const status = fields[name]
      if (isNumeric(status)) statuses.push(BASE_RESP_STATUSES.get(fields.status_code) ?? Number(status))
      else if (typeof status === 'string') codes.push(status)
    }
    for (const name of TEXT_FIELDS) if (typeof fields[name] === 'string') messages.push(fields[name])
    retryDelay ??= secondsToMs(fields.retryDelay)
    for (const name of OUTER_REPORTS) if (typeof fields[name] === 'object') read(fields[name], depth + 1)
  }

  read(value, 0)
  const words = codes.join('\n').toLowerCase()
  const message = [...new Set(messages.length > 0 ? messages : codes)].join('; ').trim() || undefined
  return { statuses, codes: words, text: `${words}\n${messages.join('\n').toLowerCase()}`, message, retryDelay }
}

/** @param duration for example, '34.5s' */
function secondsToMs (duration: unknown): number | undefined {
  return typeof duration === 'string' && /^\d{1,6}(?:\.\d{1,9})?s$/.test(duration) ? Math.ceil(Number(duration.slice(0, -1)) * 1_000) : undefined
}

function isNumeric (status: unknown): status is number | string {
  return typeof status === 'number' || (typeof status === 'string' && /^-?\d+$/.test(status))
}

function isWord (value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '' && !isNumeric(value)
}

function isFailureStatus (status: unknown): boolean {
  const number = isNumeric(status) ? Number(status) : 0
  return number !== 0 && (number < 200 || number > 299)
}

/** Whether a value contains anything: not `null`, `""`, `[]`, or an object of such values. */
function isFilled (value: unknown): boolean {
  return typeof value === 'object' && value !== null ? Object.values(value).some(Boolean) : Boolean(value)
}
