/** The address of a Redis server or a Sentinel. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** The members of a node-redis connection that the broker uses. */
export interface RedisConnection {
  on (event: 'error', listener: (error: Error) => void): unknown
  on (event: 'connect' | 'end' | 'sharded-channel-moved', listener: () => void): unknown
  connect (): Promise<unknown>
  destroy (): void
  sendCommand (args: string[]): Promise<unknown>
  subscribe (channels: string[], listener: (message: string, channel: string) => void): Promise<unknown>
  unsubscribe (channels: string[]): Promise<unknown>
  sSubscribe (channels: string[], listener: (message: string, channel: string) => void): Promise<unknown>
  sUnsubscribe (channels: string[]): Promise<unknown>
}

/** A node-redis client, connected or not. The broker only duplicates it, to create connections with the same options. */
export interface RedisClient {
  readonly options?: { readonly socket?: object } | undefined
  duplicate (options: object): RedisConnection
}
