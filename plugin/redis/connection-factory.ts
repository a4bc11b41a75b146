import { createClient } from '@redis/client'
import type { Address, RedisClient, RedisConnection } from './node-redis.ts'
import type { RedisSettings } from './options.ts'

const DEFAULT_PORT = 6_379

/**
 * Creates a connection that isn't open yet and never reconnects on its own.
 *
 * @param address where to connect, if not to the configured address
 * @param overrides node-redis options that differ from the configured ones
 */
export type CreateConnection = (address?: Address, overrides?: object) => RedisConnection

/** @throws TypeError if the URL can't be parsed */
export function connectionFactory ({ url, client, timeout }: RedisSettings): CreateConnection {
  const template: RedisClient = client ?? createClient({ url: url[0]! })
  return (address, overrides) => template.duplicate({
    // node-redis would prefer the host of the URL to the one in `socket`.
    ...(address && { url: undefined }),
    socket: { ...template.options?.socket, ...address, reconnectStrategy: false, connectTimeout: timeout },
    disableOfflineQueue: true,
    commandOptions: {},
    ...overrides
  })
}

/** The addresses in the options: of cluster nodes or Sentinels. @throws TypeError if a URL can't be parsed */
export function configuredAddresses ({ url, client }: RedisSettings): Address[] {
  if (url.length > 0) return url.map(text => parseAddress(new URL(text)))
  const { host = 'localhost', port = DEFAULT_PORT } = client?.options?.socket as Partial<Address> | undefined ?? {}
  return [{ host, port }]
}

function parseAddress ({ hostname, port }: URL): Address {
  // An IPv6 address has brackets in a URL, but not in a socket's options.
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || DEFAULT_PORT) }
}
