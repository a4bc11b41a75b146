import { createClient } from 'redis'
import type { Address, RedisClient, RedisConnection } from './node-redis.ts'
import type { RedisSettings } from './options.ts'

/** The port of Redis where none is said. */
const PORT = 6_379

/**
 * Makes a connection that is still to be connected, and leaves it to us to make another.
 *
 * @param address where to, if it is elsewhere than the options say
 * @param others options of node-redis that differ
 */
export type Connect = (address?: Address, others?: object) => RedisConnection

/** @throws what is wrong with the URL */
export function connector ({ url, client, timeout }: RedisSettings): Connect {
  const pattern: RedisClient = client ?? createClient({ url: url[0]! })
  return (address, others) => pattern.duplicate({
    // Its host would prevail.
    ...(address && { url: undefined }),
    socket: { ...pattern.options?.socket, ...address, reconnectStrategy: false, connectTimeout: timeout },
    disableOfflineQueue: true,
    commandOptions: {},
    ...others
  })
}

/** Where the options say that somebody is to be asked. @throws what is wrong with a URL */
export function addressesOf ({ url, client }: RedisSettings): Address[] {
  if (url.length > 0) return url.map(text => addressOf(new URL(text)))
  const { host = 'localhost', port = PORT } = client?.options?.socket as Partial<Address> | undefined ?? {}
  return [{ host, port }]
}

function addressOf ({ hostname, port }: URL): Address {
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || PORT) }
}
