export { redisBroker, type RedisBroker } from './broker.ts'
export type { RedisClient, RedisConnection } from './connection.ts'
export * as errors from './errors.ts'
export type { RedisBrokerOptions, RedisCluster, RedisSentinel, RedisWait } from './options.ts'
