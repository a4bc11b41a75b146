import { decision } from '../base/callbacks.ts'
import { idBefore, isId } from '../wire/event-id.ts'
import type { SseBroker } from './broker.ts'
import type { SubscriptionParameters } from './subscription.ts'

/** Milliseconds to wait for the broker before the stream opens without its answer. */
const TIMEOUT = 1_000

/**
 * Whether the event with an id was the last one of a subscription, because `until` returned true for it. If the broker does
 * not have the event any more, fails, or does not answer in time, it was not.
 *
 * @throws the error of `filter` or `until`
 */
export async function isLastEvent (broker: SseBroker, names: readonly string[], id: string, parameters: SubscriptionParameters): Promise<boolean> {
  if (parameters.until === undefined || !isId(id)) return false
  const answers = Promise.all(names.map(async name => await endsWith(broker, name, id, parameters)))
  let timer: NodeJS.Timeout | undefined
  const timedOut = new Promise<boolean[]>(resolve => { timer = setTimeout(resolve, TIMEOUT, []).unref() })
  try {
    return (await Promise.race([answers, timedOut])).includes(true)
  } finally {
    clearTimeout(timer)
  }
}

async function endsWith (broker: SseBroker, name: string, id: string, { filter, until, context }: SubscriptionParameters): Promise<boolean> {
  // The subscription will report that the broker fails, at a time when that does not keep an EventSource from reconnecting.
  const page = await broker.replay(name, idBefore(id), 1).catch(() => undefined)
  const entry = page?.entries[0]
  if (entry?.id !== id) return false
  if (filter !== undefined && !decision(filter(entry, name, context), 'filter')) return false
  return decision(until!(entry, name, context), 'until')
}
