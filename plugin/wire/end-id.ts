/**
 * The id of the last event of a stream that has ended for good. A client that reconnects with it receives 204, after which an
 * EventSource stops.
 */
export const END_ID = 'sse-end'
