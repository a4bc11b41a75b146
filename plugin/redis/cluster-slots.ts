import type { TimerWheel } from '../base/timer-wheel.ts'
import { configuredAddresses, type CreateConnection } from './connection-factory.ts'
import { NodeDiscovery } from './node-discovery.ts'
import type { Address } from './node-redis.ts'
import type { RedisSettings } from './options.ts'
import type { ReconnectingClient } from './reconnecting-client.ts'

/** A node in the reply to CLUSTER SLOTS. Its host is empty or null if it is the node that replied. */
type NodeReply = [host: string | null, port: number, ...unknown[]]
/** A range of slots in the reply to CLUSTER SLOTS. */
type SlotRangeReply = [first: number, last: number, primary: NodeReply, ...replicas: NodeReply[]]

interface SlotRange {
  readonly first: number
  readonly last: number
  readonly primary: Address
}

/** Finds the node of a Redis Cluster that serves a slot. */
export class ClusterSlots {
  readonly #discovery: NodeDiscovery<SlotRange[]>

  constructor (settings: RedisSettings, createConnection: CreateConnection, wheel: TimerWheel) {
    this.#discovery = new NodeDiscovery({
      seeds: configuredAddresses(settings),
      createConnection,
      timeout: settings.timeout,
      wheel,
      ask: async (client, address) => await this.#requestSlots(client, address)
    })
  }

  /** @throws if no node of the cluster replies, or none serves the slot */
  async primaryOf (slot: number): Promise<Address> {
    const ranges = await this.#discovery.discover()
    const range = ranges.find(({ first, last }) => first <= slot && slot <= last)
    if (range === undefined) throw new Error(`No node of the cluster serves the slot ${slot}`)
    return range.primary
  }

  close (): void {
    this.#discovery.close()
  }

  async #requestSlots (client: ReconnectingClient, asked: Address): Promise<SlotRange[]> {
    const ranges = await client.call(['CLUSTER', 'SLOTS']) as SlotRangeReply[]
    if (ranges.length === 0) throw new Error(`The node ${asked.host}:${asked.port} belongs to no cluster`)
    const addressOf = ([host, port]: NodeReply): Address => ({ host: host || asked.host, port })
    this.#discovery.learn(ranges.flatMap(([,, ...nodes]) => nodes.map(addressOf)))
    return ranges.map(([first, last, primary]) => ({ first, last, primary: addressOf(primary) }))
  }
}
