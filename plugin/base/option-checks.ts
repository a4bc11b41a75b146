/**
 * Checks options. This file imports nothing, because the client uses it in browsers too. The server and the client each
 * pass the function that throws their own error class.
 */

/** The longest delay that `setTimeout` supports, in milliseconds. */
export const MAX_DELAY = 2 ** 31 - 1

/** Throws the error of an invalid option. @param detail the value, such as "received -1" */
export type Fail = (message: string, detail?: string) => never

/** The option that a check receives along with its value. */
export class Option {
  /** The path of the option, for messages: `history.count`. */
  readonly name: string
  readonly #fail: Fail

  constructor (name: string, fail: Fail) {
    this.name = name
    this.#fail = fail
  }

  /**
   * Throws the error for an invalid value.
   *
   * @param rule the rule that the value violates, such as "must be a function"
   * @param received the value, as {@link describe} returns it
   */
  invalid (rule: string, received: string): never {
    return this.#fail(`Option \`${this.name}\` ${rule}`, `received ${received}`)
  }

  /** Checks the value of an option that consists of options itself, and fills in their defaults. */
  resolve<Settings extends object> (options: unknown, defaults: Settings, checks: Checks<Settings>): Settings {
    if (!isOptionsObject(options)) return this.invalid('must be an object of options', describe(options))
    return resolve(options, defaults, checks, `${this.name}.`, this.#fail)
  }

  /** Returns the option for one entry of an object, so that messages contain its key. */
  entry (key: string): Option {
    return new Option(`${this.name}.${key}`, this.#fail)
  }
}

/** Returns the value to use for an option. Calls `option.invalid` if the value is not valid. */
export type Check = (value: unknown, option: Option) => unknown

/** A check for each option. */
export type Checks<Settings> = { readonly [Name in keyof Settings]-?: Check }

/** Options with all defaults filled in, except those of `Unset`, which have no default. */
export type Resolved<Options, Unset extends keyof Options = never> =
  & { readonly [Name in Exclude<keyof Options, Unset>]-?: Exclude<Options[Name], undefined> }
  & { readonly [Name in Unset]-?: Options[Name] | undefined }

/** Checks options and fills in defaults. `subject` is what the options belong to, for messages. */
export type ResolveOptions =
  <Settings extends object>(subject: string, options: unknown, defaults: Settings, checks: Checks<Settings>) => Settings

/** Creates a `resolveOptions` function that throws invalid options with `fail`. */
export function optionsResolver (fail: Fail): ResolveOptions {
  return (subject, options, defaults, checks) => {
    if (options === undefined) return defaults
    if (!isOptionsObject(options)) return fail(`The options of ${subject} must be an object`, `received ${describe(options)}`)
    return resolve(options, defaults, checks, '', fail)
  }
}

function resolve<Settings extends object> (options: object, defaults: Settings, checks: Checks<Settings>, path: string, fail: Fail): Settings {
  const settings = { ...defaults } as Record<string, unknown>
  // Inherited properties count as well: an option that is ignored without an error is hard to find.
  for (const name in options) {
    if (!Object.hasOwn(checks, name)) fail(`Unknown option \`${path}${name}\`; expected one of ${Object.keys(checks).join(', ')}`)
    const value = (options as Record<string, unknown>)[name]
    if (value !== undefined) settings[name] = checks[name as keyof Settings](value, new Option(path + name, fail))
  }
  return Object.freeze(settings) as Settings
}

/** A promise of options, which was not awaited, would count as no options. */
function isOptionsObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Promise)
}

/** Formats a value for a message. The contents of objects are left out, because they may include secrets. */
export function describe (value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return String(value)
  if (value instanceof Promise) return 'a promise'
  return Array.isArray(value) ? 'an array' : 'an object'
}

/** Creates a check. @param rule the rest of the sentence "Option `x` must be …" */
export function mustBe (rule: string, isValid: (value: unknown) => boolean): Check {
  return (value, option) => isValid(value) ? value : option.invalid(`must be ${rule}`, describe(value))
}

/**
 * Creates a check for an integer.
 *
 * @param min the lowest valid value
 * @param unit the unit, in the plural
 * @param zero what 0 does, such as "disables it"
 * @param max the highest valid value
 */
export function integer (min: number, unit = '', zero = '', max = Number.MAX_SAFE_INTEGER): Check {
  const of = unit && ` of ${unit}`
  const range = max < Number.MAX_SAFE_INTEGER ? ` from ${min} to ${max}` : min > 1 ? ` of at least ${min}` : ''
  const kind = range !== '' ? 'an integer' : min === 0 ? 'a non-negative integer' : 'a positive integer'
  const rule = `${kind}${range !== '' && unit !== '' ? `${range} ${unit}` : range + of}${zero && ` (0 ${zero})`}`
  return mustBe(rule, value => typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max)
}

/** Creates a check for one of several strings. */
export function oneOf (...choices: string[]): Check {
  return mustBe(choices.map(choice => `'${choice}'`).join(' or '), value => choices.includes(value as string))
}

export const anyFunction: Check = mustBe('a function', value => typeof value === 'function')

export const anyObject: Check = mustBe('an object', value => typeof value === 'object' && value !== null)

export const boolean: Check = mustBe('true or false', value => typeof value === 'boolean')

export const string: Check = mustBe('a string', value => typeof value === 'string')

export const nonEmptyString: Check = mustBe('a non-empty string', value => typeof value === 'string' && value !== '')

export const abortSignal: Check = mustBe('an AbortSignal', value => value instanceof AbortSignal)
