/**
 * Whether an Accept header admits `text/event-stream` (RFC 9110, section 12.5.1): the most specific matching range
 * decides, and a quality of 0 excludes it. A request without the header accepts everything.
 */
export function acceptsEventStream (accept: string | undefined): boolean {
  // The value that most clients send.
  if (accept === undefined || accept === 'text/event-stream' || accept.trim() === '') return true
  let best = 0
  let accepted = false
  for (const range of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map(part => part.trim())
    const precision = RANGES.indexOf(type) + 1
    if (precision === 0 || precision < best) continue
    best = precision
    accepted = quality(parameters) > 0
  }
  return accepted
}

/** The media ranges that include event streams, from the least to the most specific. */
const RANGES = ['*/*', 'text/*', 'text/event-stream']

function quality (parameters: string[]): number {
  const weight = parameters.find(parameter => parameter.startsWith('q='))
  const value = weight === undefined ? 1 : Number(weight.slice(2))
  // An invalid weight is ignored.
  return Number.isNaN(value) ? 1 : value
}
