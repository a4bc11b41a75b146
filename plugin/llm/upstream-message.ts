/** Characters of a message that are read. */
const MAX_READ = 4_000
/** Characters of a message that are kept. */
const MAX_LENGTH = 1_000
const REDACTED = '[redacted]'

/** Servers quote keys, also in part: "Incorrect API key provided: sk-ab***yz". The lengths are bounded to keep matching linear. */
const KEYS = new RegExp([
  '\\b(?:bearer|basic)[ :]+[\\w.~+/=-]{8,}', '\\b(?:sk|pk|rk|gsk|xai|hf|pplx|nvapi|AIza)[-_\\w]{6,}', '\\beyJ[\\w-]{4,}\\.[\\w.-]+',
  '(?<=\\bapi.?key[^:\\n]{0,30}: ?)[^\\s,;]+', '[^\\s*]{0,64}\\*{3,}[^\\s*]{0,64}', '(?<!\\w)[A-Za-z0-9]{32,}(?!\\w)'
].join('|'), 'gi')

// eslint-disable-next-line no-control-regex
const CONTROL_CHARACTERS = /[\0-\x1F\x7F-\x9F\u2028\u2029]+/g

/** The message of an error response or an error event, for the log: the `cause` of a ModelError. It contains no keys. */
export class UpstreamMessage extends Error {
  override readonly name = 'UpstreamMessage'

  constructor (text: string) {
    super(text.slice(0, MAX_READ).replaceAll(CONTROL_CHARACTERS, ' ').replaceAll(KEYS, REDACTED).slice(0, MAX_LENGTH))
    this.#updateStack()
  }

  /** Removes values that must not be logged. */
  redact (secrets: readonly string[]): void {
    for (const secret of secrets) this.message = this.message.replaceAll(secret, REDACTED)
    this.#updateStack()
  }

  /** The stack is not where the message comes from, and would keep what is removed from the message. */
  #updateStack (): void {
    this.stack = `${this.name}: ${this.message}`
  }
}
