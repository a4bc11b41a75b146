import type { SseBroker, SseBrokerListener, SseBrokerSubscription, SsePage, SsePublished, SsePublishing } from '../channels/broker.ts'
import type { SsePayload } from '../wire/entry.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import type { Address } from './node-redis.ts'
import { addressesOf, type Connect } from './connection-factory.ts'
import type { Line } from './reconnecting-client.ts'
import { Locator } from './node-discovery.ts'
import type { ClusterSettings, RedisSettings } from './options.ts'
import { Partition } from './partition-broker.ts'
import { partitionOf, slotOf, tagsOf } from './hash-slots.ts'

/** A node as CLUSTER SLOTS has it; its host is nothing where it is that of who was asked. */
type Node = [host: string | null, port: number, ...unknown[]]
/** Slots, their primary, and its replicas. */
type Range = [first: number, last: number, primary: Node, ...replicas: Node[]]

interface Owned {
  readonly first: number
  readonly last: number
  readonly primary: Address
}

/** Many logs in a Redis Cluster, each in a slot of its own. */
export class Cluster implements SseBroker {
  readonly shared = true
  readonly #partitions: readonly Partition[]

  constructor (settings: RedisSettings, { partitions, sharded }: ClusterSettings, connect: Connect, wheel: TimerWheel) {
    const slots: Locator<Owned[]> = new Locator({
      seeds: addressesOf(settings),
      create: connect,
      timeout: settings.timeout,
      wheel,
      ask: async (line, asked) => {
        const { owned, nodes } = await askForSlots(line, asked)
        slots.learn(nodes)
        return owned
      }
    })
    this.#partitions = tagsOf(partitions).map(tag => {
      const locator = { locate: async () => ownerOf(slotOf(tag), await slots.locate()), close: () => { slots.close() } }
      return new Partition(settings, { tag, sharded, connect, wheel, locator })
    })
  }

  get ready (): boolean {
    return this.#partitions.every(({ ready }) => ready)
  }

  partition (channel: string): number {
    return partitionOf(channel, this.#partitions.length)
  }

  async publish (channel: string, payload: SsePayload, publishing: SsePublishing): Promise<SsePublished> {
    return await this.#of(channel).publish(channel, payload, publishing)
  }

  async subscribe (channel: string, listener: SseBrokerListener): Promise<SseBrokerSubscription> {
    return await this.#of(channel).subscribe(channel, listener)
  }

  async replay (channel: string, after: string | undefined, count: number): Promise<SsePage> {
    return await this.#of(channel).replay(channel, after, count)
  }

  async close (): Promise<void> {
    await Promise.all(this.#partitions.map(partition => partition.close()))
  }

  #of (channel: string): Partition {
    return this.#partitions[this.partition(channel)]!
  }
}

async function askForSlots (line: Line, asked: Address): Promise<{ owned: Owned[], nodes: Address[] }> {
  const ranges = await line.call(['CLUSTER', 'SLOTS']) as Range[]
  if (ranges.length === 0) throw new Error(`The node ${asked.host}:${asked.port} is of no cluster`)
  const addressOf = ([host, port]: Node): Address => ({ host: host || asked.host, port })
  return {
    owned: ranges.map(([first, last, primary]) => ({ first, last, primary: addressOf(primary) })),
    nodes: ranges.flatMap(([,, ...nodes]) => nodes.map(addressOf))
  }
}

function ownerOf (slot: number, owned: Owned[]): Address {
  const found = owned.find(({ first, last }) => first <= slot && slot <= last)
  if (found === undefined) throw new Error(`No node of the cluster has the slot ${slot}`)
  return found.primary
}
