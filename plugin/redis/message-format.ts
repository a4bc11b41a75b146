/** An event as the `publish` script sends it to a channel's subscribers. */
export interface EntryMessage {
  readonly epoch: string
  readonly id: string
  /** The id of the channel's previous entry, by which a lost message is noticed. */
  readonly previousId: string
  /** The text of `stringifyPayload`. */
  readonly payload: string
}

/** A marker as the `sync` script sends it to the broker that requested it. */
export interface MarkerMessage {
  readonly name: string
  readonly epoch: string
  /** The last id of the log, in any channel. */
  readonly lastId: string
}

export function parseEntryMessage (message: string): EntryMessage {
  const [epoch, time, previousTime, payload] = splitMessage(message)
  return { epoch, id: `${epoch}.${time}`, previousId: `${epoch}.${previousTime}`, payload }
}

export function parseMarkerMessage (message: string): MarkerMessage {
  const [name, epoch, time] = splitMessage(message)
  return { name, epoch, lastId: `${epoch}.${time}` }
}

/** The first three lines, and the rest. */
function splitMessage (message: string): [string, string, string, string] {
  const first = message.indexOf('\n')
  const second = message.indexOf('\n', first + 1)
  const third = message.indexOf('\n', second + 1)
  return [message.slice(0, first), message.slice(first + 1, second), message.slice(second + 1, third), message.slice(third + 1)]
}
