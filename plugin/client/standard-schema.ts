/** A schema of any library that implements https://standardschema.dev, such as zod, Valibot and ArkType. */
export interface SseStandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    /** For the compiler only. */
    readonly types?: { readonly input: unknown, readonly output: Output } | undefined
  }
}

export type StandardResult<Output> = { readonly value: Output, readonly issues?: undefined } | { readonly issues: readonly SseIssue[] }

/** Why a schema rejects a value. */
export interface SseIssue {
  readonly message: string
  /** Where in the value; undefined for the value itself. */
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined
}

/** A schema for the data of each type of event; `message` is for events without a type. */
export type SseEventSchemas = Readonly<Record<string, SseStandardSchema>>

/** The event map of the values that schemas return. */
export type SseOutputs<Schemas extends SseEventSchemas> = {
  readonly [Type in keyof Schemas]: NonNullable<Schemas[Type]['~standard']['types']>['output']
}

export function areStandardSchemas (value: unknown): value is SseEventSchemas {
  return typeof value === 'object' && value !== null && Object.values(value).every(isStandardSchema)
}

/** The schemas of some libraries are functions. */
function isStandardSchema (value: any): value is SseStandardSchema {
  return typeof value?.['~standard']?.validate === 'function'
}
