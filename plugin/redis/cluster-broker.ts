import type { TimerWheel } from '../base/timer-wheel.ts'
import type { SseBroker, SseBrokerListener, SseBrokerSubscription, SsePage, SsePublished, SsePublishOptions } from '../channels/broker.ts'
import type { SsePayload } from '../wire/entry.ts'
import { ClusterSlots } from './cluster-slots.ts'
import type { CreateConnection } from './connection-factory.ts'
import { hashSlot } from './hash-slots.ts'
import type { ClusterSettings, RedisSettings } from './options.ts'
import { PartitionBroker } from './partition-broker.ts'
import { partitionHashTags, partitionOf } from './partitioning.ts'

/** A broker in a Redis Cluster. Its channels are divided into partitions, each with a log in its own slot. */
export class ClusterBroker implements SseBroker {
  readonly shared = true
  readonly #partitions: readonly PartitionBroker[]

  constructor (settings: RedisSettings, { partitions, sharded }: ClusterSettings, createConnection: CreateConnection, wheel: TimerWheel) {
    const slots = new ClusterSlots(settings, createConnection, wheel)
    this.#partitions = partitionHashTags(partitions).map(hashTag => {
      const discovery = { discover: () => slots.primaryOf(hashSlot(hashTag)), close: () => { slots.close() } }
      return new PartitionBroker(settings, { hashTag, sharded, createConnection, wheel, discovery })
    })
  }

  get ready (): boolean {
    return this.#partitions.every(({ ready }) => ready)
  }

  partition (channel: string): number {
    return partitionOf(channel, this.#partitions.length)
  }

  async publish (channel: string, payload: SsePayload, options: SsePublishOptions): Promise<SsePublished> {
    return await this.#partitionOf(channel).publish(channel, payload, options)
  }

  async subscribe (channel: string, listener: SseBrokerListener): Promise<SseBrokerSubscription> {
    return await this.#partitionOf(channel).subscribe(channel, listener)
  }

  async replay (channel: string, after: string | undefined, count: number): Promise<SsePage> {
    return await this.#partitionOf(channel).replay(channel, after, count)
  }

  async close (): Promise<void> {
    await Promise.all(this.#partitions.map(partition => partition.close()))
  }

  #partitionOf (channel: string): PartitionBroker {
    return this.#partitions[this.partition(channel)]!
  }
}
