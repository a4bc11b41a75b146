export { redisBroker, type RedisBroker } from './redis-broker.ts'
export type { RedisClient, RedisConnection } from './node-redis.ts'
export * as errors from './errors.ts'
export type { RedisBrokerOptions, RedisCluster, RedisSentinel, RedisWait } from './options.ts'
