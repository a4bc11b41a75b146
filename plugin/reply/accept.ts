/**
 * Whether an Accept header admits `text/event-stream` (RFC 9110, 12.5.1): the most specific range that fits decides,
 * and quality 0 means no. Without a header, everything is fine.
 */
export function acceptsEventStream (accept: string | undefined): boolean {
  // What most clients send.
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

/** The ranges that an event stream is in, from the least to the most specific. */
const RANGES = ['*/*', 'text/*', 'text/event-stream']

function quality (parameters: string[]): number {
  const weight = parameters.find(parameter => parameter.startsWith('q='))
  const value = weight === undefined ? 1 : Number(weight.slice(2))
  // What is not a number says nothing.
  return Number.isNaN(value) ? 1 : value
}
