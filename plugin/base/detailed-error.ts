import { createError, type FastifyError } from '@fastify/error'

/** The part of an error that is not for clients: loggers, warnings and `util.inspect` include it, responses don't. */
export interface Detailed {
  /** The value or the reason that the error is about, such as "received -1". */
  readonly detail?: string
}

/** The arguments are the texts in the message, followed by the detail and an object with the cause. */
export type DetailedErrorConstructor<Texts extends string[]> = new (...args: [...texts: Texts, detail?: string, options?: { cause: unknown }]) => FastifyError & Detailed

/** Like `createError` of `@fastify/error`, for errors with a detail. */
export function createDetailedError<Texts extends string[] = []> (code: string, message: string, statusCode = 500, base: ErrorConstructor = TypeError): DetailedErrorConstructor<Texts> {
  const texts = message.split('%s').length - 1
  const Base = createError<unknown[]>(code, message, statusCode, base)
  const DetailedError = class extends Base {
    constructor (...args: unknown[]) {
      const { [texts]: detail, [texts + 1]: options } = args
      super(...args.slice(0, texts), ...options === undefined ? [] : [options])
      if (detail !== undefined) Object.assign(this, { detail })
    }
  }
  // Loggers and stack traces show the name of the class, which is that of Fastify's own errors.
  return Object.defineProperty(DetailedError, 'name', { value: Base.name })
}
