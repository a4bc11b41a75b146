/** Where a process of Redis is. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** What is used of a connection of node-redis. */
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

/** A client of node-redis, connected or not: a pattern for connections. */
export interface RedisClient {
  readonly options?: { readonly socket?: object } | undefined
  duplicate (options: object): RedisConnection
}
