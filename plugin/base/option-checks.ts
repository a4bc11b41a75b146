/**
 * The engine that checks options. It imports nothing, so that the client can use it in browsers; each user binds it to an
 * error class of its own.
 */

/** The longest delay that `setTimeout` supports, in milliseconds. */
export const MAX_DELAY = 2 ** 31 - 1

/** Throws the error of an invalid option. */
export type Fail = (message: string) => never

/** An option that is being checked. */
export class Option {
  readonly name: string
  readonly #fail: Fail

  constructor (name: string, fail: Fail) {
    this.name = name
    this.#fail = fail
  }

  /**
   * Rejects the value.
   *
   * @param rule what the value must be, as in "must be a function"
   * @param received the value as the message shows it
   */
  invalid (rule: string, received: string): never {
    return this.#fail(`Option \`${this.name}\` ${rule}; received ${received}`)
  }

  /** Resolves the options that are this option's value. */
  resolve<Settings extends object> (options: unknown, defaults: Settings, checks: Checks<Settings>): Settings {
    if (!isOptionsObject(options)) return this.invalid('must be an object of options', describe(options))
    return resolve(options, defaults, checks, `${this.name}.`, this.#fail)
  }

  /** The entry of this option, an object, under a key. */
  entry (key: string): Option {
    return new Option(`${this.name}.${key}`, this.#fail)
  }
}

/** Returns the value to use for an option, or rejects it with `option.invalid`. */
export type Check = (value: unknown, option: Option) => unknown

/** A check for each option. */
export type Checks<Settings> = { readonly [Name in keyof Settings]-?: Check }

/** Options with every default filled in. Those of `Unset` have none. */
export type Resolved<Options, Unset extends keyof Options = never> =
  & { readonly [Name in Exclude<keyof Options, Unset>]-?: Exclude<Options[Name], undefined> }
  & { readonly [Name in Unset]: Options[Name] }

/** Checks options and fills in defaults. `subject` names in messages what the options belong to. */
export type ResolveOptions =
  <Settings extends object>(subject: string, options: unknown, defaults: Settings, checks: Checks<Settings>) => Settings

/** Returns a `resolveOptions` that reports invalid options with `fail`. */
export function optionsResolver (fail: Fail): ResolveOptions {
  return (subject, options, defaults, checks) => {
    if (options === undefined) return defaults
    if (!isOptionsObject(options)) return fail(`The options of ${subject} must be an object; received ${describe(options)}`)
    return resolve(options, defaults, checks, '', fail)
  }
}

function resolve<Settings extends object> (options: object, defaults: Settings, checks: Checks<Settings>, path: string, fail: Fail): Settings {
  const settings = { ...defaults } as Record<string, unknown>
  // Inherited names count, too: an option that is silently ignored is the worst kind of typo.
  for (const name in options) {
    if (!Object.hasOwn(checks, name)) fail(`Unknown option \`${path}${name}\`; expected one of ${Object.keys(checks).join(', ')}`)
    const value = (options as Record<string, unknown>)[name]
    if (value !== undefined) settings[name] = checks[name as keyof Settings](value, new Option(path + name, fail))
  }
  return Object.freeze(settings) as Settings
}

function isOptionsObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A value as messages show it. Objects are not printed, because they may hold secrets. */
export function describe (value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return String(value)
  return Array.isArray(value) ? 'an array' : 'an object'
}

/** Turns a rule and a predicate into a check. @param rule completes "must be" */
export function must (rule: string, holds: (value: unknown) => boolean): Check {
  return (value, option) => holds(value) ? value : option.invalid(`must be ${rule}`, describe(value))
}

/**
 * Checks an integer.
 *
 * @param min the lowest valid value
 * @param unit what it counts, in the plural
 * @param zero what 0 does
 */
export function integer (min: number, unit = '', zero = '', max = Number.MAX_SAFE_INTEGER): Check {
  const of = unit && ` of ${unit}`
  const range = max < Number.MAX_SAFE_INTEGER ? ` from ${min} to ${max}` : min > 1 ? ` of at least ${min}` : ''
  const kind = range !== '' ? 'an integer' : min === 0 ? 'a non-negative integer' : 'a positive integer'
  const rule = `${kind}${range !== '' && unit !== '' ? `${range} ${unit}` : range + of}${zero && ` (0 ${zero})`}`
  return must(rule, value => typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max)
}

/** Checks that a value is one of some strings. */
export function oneOf (...choices: string[]): Check {
  return must(choices.map(choice => `'${choice}'`).join(' or '), value => choices.includes(value as string))
}

export const anyFunction: Check = must('a function', value => typeof value === 'function')

export const boolean: Check = must('true or false', value => typeof value === 'boolean')

export const string: Check = must('a string', value => typeof value === 'string')

export const nonEmptyString: Check = must('a non-empty string', value => typeof value === 'string' && value !== '')

export const abortSignal: Check = must('an AbortSignal', value => value instanceof AbortSignal)
