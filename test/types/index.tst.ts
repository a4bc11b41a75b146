import { Readable } from 'node:stream'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { JsonSchemaToTsProvider } from '@fastify/type-provider-json-schema-to-ts'
import type { FastifyPluginAsyncTypebox, TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyPluginAsyncZod, ZodTypeProvider } from 'fastify-type-provider-zod'
import { describe, expect, test } from 'tstyche'
import { Type } from 'typebox'
import type { Dispatcher, Response as UndiciResponse } from 'undici'
import { z } from 'zod'
import { createClient } from 'redis'
import sse, {
  event, errors, memoryBroker, type SseBroker, type SseChannel, type SseChannelOptions, type SseContext, type SseEmitter, type SseEntry, type SseEvent, type SseFilter, type SseHub,
  type SseMemoryBrokerOptions, type SsePluginOptions, type SsePublished, type SseReadOptions, type SseReason, type SseReplayOptions, type SseRun,
  type SseRunLookup, type SseRunResult, type SseRunStarted, type SseStreamInfo, type SseStreamOptions, type SseWatchOptions, type SseDiagnostics
} from 'fastify-sse-emitter'
import { connect, type SseConnection, type SseMessage, type SseStandardSchema } from 'fastify-sse-emitter/client'
import { eventsOf, type ResponseEvents } from 'fastify-sse-emitter/llm'
import { injectSse, type InjectedEvent, type InjectedStream, type InjectSseOptions } from 'fastify-sse-emitter/testing'
import { redisBroker, type RedisBroker, type RedisBrokerOptions } from 'fastify-sse-emitter/redis'

declare module 'fastify-sse-emitter' {
  interface SseContext { user?: string }
}

declare const reply: FastifyReply
declare const app: FastifyInstance

interface Delta { text: string }
interface Events { delta: Delta, done: { tokens: number }, message: string }

describe('the plugin', () => {
  test('is registered with its options', () => {
    expect(fastify().register).type.toBeCallableWith(sse)
    expect(fastify().register).type.toBeCallableWith(sse, { heartbeat: 5_000, refuse: 'retry' })
    expect(fastify().register).type.not.toBeCallableWith(sse, { heartbeat: '5s' })
    expect(fastify().register).type.not.toBeCallableWith(sse, { refuse: 'never' })
    expect<SsePluginOptions>().type.not.toBeAssignableFrom({ expiresAt: 5 })
    expect<SseStreamOptions>().type.toBeAssignableFrom({ expiresAt: new Date() })
    expect<SseStreamOptions>().type.not.toBeAssignableFrom({ maxConnections: 5 })
  })

  test('decorates the instance and the reply', () => {
    expect(app.sse).type.toBe<SseHub>()
    expect(reply.sse()).type.toBe<SseEmitter>()
    expect(reply.sse<Events>({ timeout: 5 })).type.toBe<SseEmitter<Events>>()
  })

  test('lets an async handler return the reply where replies are typed', () => {
    interface Reply { Reply: { 200: { name: string } } }
    app.get<Reply>('/', async (_request, reply) => { reply.sse().open(); return reply })
    app.get<{ Reply: { name: string } }>('/', async (_request, reply) => { reply.sse().open(); return reply })
  })

  test('lets a handler return the emitter, the reply or nothing', () => {
    app.get('/', async (_request, reply) => reply.sse())
    app.get('/', (_request, reply) => reply.sse())
    app.get('/', (_request, reply) => { reply.sse() })
    app.get('/', async (_request, reply) => { reply.sse().open(); return reply })
  })
})

describe('complete()', () => {
  test('takes a last event with the data of its type', () => {
    const typed = reply.sse<Events>()
    expect(typed.complete).type.toBeCallableWith()
    expect(typed.complete).type.toBeCallableWith({ event: 'done', data: { tokens: 1 } })
    expect(typed.complete).type.toBeCallableWith({ data: 'text' })
    expect(typed.complete).type.not.toBeCallableWith({ event: 'done', data: 'text' })
    expect(typed.complete).type.not.toBeCallableWith({ event: 'done' })
    expect(typed.complete).type.not.toBeCallableWith({ event: 'other', data: 'text' })
    expect(reply.sse().complete).type.toBeCallableWith({ event: 'end' })
    expect(reply.sse().complete).type.toBeCallableWith({ data: { any: 'value' } })
    expect(reply.sse().complete).type.not.toBeCallableWith({ event: 'end', id: '7' })
  })

  test('takes a last event without data if the data of its type may be undefined', () => {
    interface Map { delta: Delta, end: undefined, nothing: void, optional?: string, either: string | undefined }
    const { complete } = reply.sse<Map>()
    expect(complete).type.toBeCallableWith({ event: 'end' })
    expect(complete).type.toBeCallableWith({ event: 'nothing' })
    expect(complete).type.toBeCallableWith({ event: 'optional' })
    expect(complete).type.toBeCallableWith({ event: 'either' })
    expect(complete).type.toBeCallableWith({ event: 'end', data: undefined })
    expect(complete).type.toBeCallableWith({ event: 'either', data: 'text' })
    expect(complete).type.not.toBeCallableWith({ event: 'end', data: 'text' })
    expect(complete).type.not.toBeCallableWith({ event: 'delta' })
    expect(complete).type.not.toBeCallableWith({ event: 'other' })
    expect<SseEmitter<{ end: undefined }>>().type.toBeAssignableFrom(reply.sse<Map>())
    expect<SseEmitter<Map>>().type.not.toBeAssignableFrom(reply.sse<{ end: undefined }>())
  })
})

describe('the context of a stream', () => {
  test('has the members that the application declares', () => {
    expect<NonNullable<SseStreamOptions['context']>>().type.toBeAssignableFrom({ user: 'anna' })
    expect<NonNullable<SseStreamOptions['context']>>().type.not.toBeAssignableFrom({ user: 5 })
    expect(app.sse.list()[0]!.context?.user).type.toBe<string | undefined>()
    expect(app.sse.close).type.toBeCallableWith(({ context }: SseStreamInfo) => context?.user === 'anna')
    expect<SseFilter>().type.toBeAssignableFrom((_entry: SseEntry, _channel: string, context: SseContext | undefined) => context?.user === 'anna')
    expect<SsePluginOptions>().type.not.toBeAssignableFrom({ context: {} })
  })
})

describe('a route with schemas', () => {
  const Tick = Type.Object({ price: Type.Number() })

  test('types events through its type provider', () => {
    app.withTypeProvider<TypeBoxTypeProvider>().get('/', { schema: { sse: { tick: Tick, message: Type.String() } } }, async (_request, reply) => {
      const emitter = reply.sse({ heartbeat: 0 })
      expect(emitter.send).type.toBeCallableWith({ price: 1 }, { event: 'tick' })
      expect(emitter.send).type.toBeCallableWith('text')
      expect(emitter.send).type.not.toBeCallableWith({ price: 'high' }, { event: 'tick' })
      expect(emitter.send).type.not.toBeCallableWith({ price: 1 }, { event: 'other' })
      expect(emitter.send).type.not.toBeCallableWith(5)
      return reply
    })
    app.withTypeProvider<ZodTypeProvider>().get('/', { schema: { sse: { tick: z.object({ price: z.number() }) } } }, async (_request, reply) => {
      const emitter = reply.sse()
      expect(emitter.send).type.toBeCallableWith({ price: 1 }, { event: 'tick' })
      expect(emitter.send).type.not.toBeCallableWith({ price: 'high' }, { event: 'tick' })
      expect(emitter.send).type.not.toBeCallableWith('text')
      return reply
    })
  })

  test('types events through json-schema-to-ts', () => {
    const tick = { type: 'object', properties: { price: { type: 'number' } }, required: ['price'], additionalProperties: false } as const
    app.withTypeProvider<JsonSchemaToTsProvider>().get('/', { schema: { sse: { tick, message: { type: 'string' } } } }, async (_request, reply) => {
      const emitter = reply.sse()
      expect(emitter.send).type.toBeCallableWith({ price: 1 }, { event: 'tick' })
      expect(emitter.send).type.toBeCallableWith('text')
      expect(emitter.send).type.not.toBeCallableWith({ price: 'high' }, { event: 'tick' })
      expect(emitter.send).type.not.toBeCallableWith(5)
      return reply
    })
    const channel = app.withTypeProvider<JsonSchemaToTsProvider>().sse.channel('ticks', { schema: { tick } })
    expect(channel.publish).type.toBeCallableWith({ price: 1 }, { event: 'tick' })
    expect(channel.publish).type.not.toBeCallableWith({ price: 'high' }, { event: 'tick' })
  })

  test('types what zod encodes', () => {
    const at = z.codec(z.iso.datetime(), z.date(), { decode: text => new Date(text), encode: date => date.toISOString() })
    const zod = app.withTypeProvider<ZodTypeProvider>()
    zod.get('/', { schema: { sse: { at } } }, async (_request, reply) => {
      expect(reply.sse().send).type.toBeCallableWith(new Date(), { event: 'at' })
      expect(reply.sse().send).type.not.toBeCallableWith('1970-01-01T00:00:00Z', { event: 'at' })
      return reply
    })
    const channel = zod.sse.channel('times', { schema: { at } })
    expect(channel.publish).type.toBeCallableWith(new Date(), { event: 'at' })
    expect(channel.publish).type.not.toBeCallableWith(5, { event: 'at' })
  })

  test('types events in the plugins of a type provider, and in `app.route()`', () => {
    const typebox: FastifyPluginAsyncTypebox = async app => {
      app.get('/', { schema: { sse: { tick: Tick } } }, async (_request, reply) => {
        expect(reply.sse().send).type.not.toBeCallableWith({ price: 'high' }, { event: 'tick' })
        return reply
      })
      expect(app.sse.channel('ticks', { schema: { tick: Tick } }).publish).type.not.toBeCallableWith({ price: 'high' }, { event: 'tick' })
    }
    const zod: FastifyPluginAsyncZod = async app => {
      app.route({
        method: 'GET',
        url: '/',
        schema: { sse: { tick: z.object({ price: z.number() }) } },
        handler: async (_request, reply) => {
          expect(reply.sse().send).type.not.toBeCallableWith({ price: 'high' }, { event: 'tick' })
          return reply
        }
      })
    }
    expect(app.register).type.toBeCallableWith(typebox)
    expect(app.register).type.toBeCallableWith(zod)
    expect<FastifyInstance>().type.toBeAssignableFrom(app.withTypeProvider<TypeBoxTypeProvider>())
  })

  test('may also have typed responses, and a map of its own', () => {
    app.withTypeProvider<TypeBoxTypeProvider>().get('/', { schema: { sse: { tick: Tick }, response: { 200: Tick } } }, async (request, reply) => {
      if (request.headers.accept === 'application/json') return { price: 1 }
      expect(reply.sse().send).type.not.toBeCallableWith('text')
      expect(reply.sse<{ message: string }>().send).type.toBeCallableWith('text')
      expect(reply.sse<any>().send).type.toBeCallableWith('text', { event: 'any' as string })
      return reply
    })
  })

  test('refuses events that have no schema', () => {
    app.withTypeProvider<TypeBoxTypeProvider>().get('/', { schema: { sse: { tick: Tick } } }, async (_request, reply) => {
      const emitter = reply.sse()
      expect(emitter.send).type.not.toBeCallableWith('text')
      expect(emitter.send).type.not.toBeCallableWith({ price: 1 }, { event: 'tick' as string })
      expect(emitter.sendAll).type.toBeCallableWith([event({ price: 1 }, { event: 'tick' })])
      expect(emitter.sendAll).type.not.toBeCallableWith(['text'])
      return reply
    })
  })

  test('without a type provider types the names of events', () => {
    app.get('/', { schema: { sse: { tick: { type: 'object' } } } }, async (_request, reply) => {
      expect(reply.sse().send).type.toBeCallableWith({ any: 1 }, { event: 'tick' })
      expect(reply.sse().send).type.not.toBeCallableWith({ any: 1 }, { event: 'other' })
      return reply
    })
  })

  test('types the events of a channel', () => {
    const channel = app.withTypeProvider<TypeBoxTypeProvider>().sse.channel('ticks', { schema: { tick: Tick } })
    expect(channel.publish).type.toBeCallableWith({ price: 1 }, { event: 'tick' })
    expect(channel.publish).type.not.toBeCallableWith({ price: 'high' }, { event: 'tick' })
    expect(channel.publish).type.not.toBeCallableWith('text')
  })
})

describe('an emitter', () => {
  const untyped = reply.sse()
  const typed = reply.sse<Events>()
  const unnamed = reply.sse<{ delta: Delta }>()

  test('without an event map accepts any event', () => {
    expect(untyped.send('text')).type.toBe<Promise<void>>()
    expect(untyped.send).type.toBeCallableWith({ any: 1 })
    expect(untyped.send).type.toBeCallableWith(5, { event: 'any', id: 7, retry: 0, comment: 'c' })
    expect(untyped.send).type.toBeCallableWith(undefined, { id: '7' })
    expect(untyped.send).type.not.toBeCallableWith('x', { name: 'y' })
    expect(untyped.send).type.not.toBeCallableWith('x', { id: {} })
    expect(untyped.send).type.not.toBeCallableWith('x', { retry: '5' })
  })

  test('checks the data of each event type', () => {
    expect(typed.send).type.toBeCallableWith({ text: 'hi' }, { event: 'delta' as const })
    expect(typed.send).type.toBeCallableWith({ tokens: 5 }, { event: 'done' as const, id: '7' })
    expect(typed.send).type.not.toBeCallableWith({ tokens: 5 }, { event: 'delta' as const })
    expect(typed.send).type.not.toBeCallableWith({ text: 'hi' }, { event: 'dleta' as const })
  })

  test('checks the data of events without a type as `message`', () => {
    expect(typed.send).type.toBeCallableWith('text')
    expect(typed.send).type.toBeCallableWith('text', { id: '7' })
    expect(typed.send).type.not.toBeCallableWith({ text: 'hi' })
    expect(unnamed.send).type.not.toBeCallableWith('text')
    expect(unnamed.send).type.toBeCallableWith({ text: 'hi' }, { event: 'delta' as const })
  })

  test('needs no const assertion for fields that are written in place', () => {
    expect(typed.send({ text: 'hi' }, { event: 'delta' })).type.toBe<Promise<void>>()
    expect(event({ text: 'hi' }, { event: 'delta' })).type.toBe<SseEvent<{ text: string }, 'delta'>>()
  })

  test('accepts items whose type of event is known only at run time', () => {
    const name = 'delta' as string | undefined
    const optional: { event?: string } = {}
    expect(event({ text: 'hi' }, { event: name, id: undefined })).type.toBe<SseEvent<{ text: string }, string | undefined>>()
    expect(event('hi', { id: '7' })).type.toBe<SseEvent<string, undefined>>()
    expect(event('hi')).type.toBe<SseEvent<string, undefined>>()
    expect(untyped.sendAll).type.toBeCallableWith([event('hi', { event: name }), event('hi', optional), event('hi', { ...optional, id: '7' })])
    expect(unnamed.sendAll).type.not.toBeCallableWith([event({ text: 'hi' }, { event: name })])
    expect(event).type.not.toBeCallableWith('hi', { event: 5 })
    expect(event).type.not.toBeCallableWith('hi', { name: 'delta' })
  })

  test('checks the items of a source', () => {
    expect(typed.sendAll).type.toBeCallableWith(['a', 'b'])
    expect(typed.sendAll).type.toBeCallableWith([event({ text: 'hi' }, { event: 'delta' }), event('plain')])
    expect(typed.sendAll).type.not.toBeCallableWith([event({ text: 5 }, { event: 'delta' })])
    expect(typed.sendAll).type.not.toBeCallableWith([5])
    expect(untyped.sendAll).type.toBeCallableWith(new ReadableStream<Uint8Array>())
    expect(untyped.sendAll).type.toBeCallableWith(async function * (_signal: AbortSignal) { yield { any: 1 } })
    expect(untyped.sendAll).type.toBeCallableWith(async (signal: AbortSignal) => [signal.aborted])
    expect(untyped.sendAll).type.not.toBeCallableWith(5)
  })

  test('fits a function for any emitter, or for an emitter with some of its events', () => {
    expect<SseEmitter>().type.toBeAssignableFrom(typed)
    expect<SseEmitter>().type.toBeAssignableFrom(reply.sse<{ delta: Delta }>())
    expect<SseEmitter<{ delta: Delta }>>().type.toBeAssignableFrom(typed)
    expect<SseEmitter<{ delta: Delta }>>().type.toBeAssignableFrom(untyped)
    expect<SseEmitter<Events>>().type.not.toBeAssignableFrom(unnamed)
    expect<SseEmitter<{ delta: number }>>().type.not.toBeAssignableFrom(unnamed)
  })

  test('reports its state and its end', () => {
    expect(typed.state).type.toBe<'pending' | 'open' | 'closed'>()
    expect(typed.closed).type.toBe<Promise<SseReason>>()
    expect(typed.signal).type.toBe<AbortSignal>()
    expect(typed.lastEventId).type.toBe<string | undefined>()
    expect(typed.onCompletion).type.toBeCallableWith((reason: SseReason) => reason)
    expect(typed.onError).type.toBeCallableWith(async (error: unknown) => error)
    expect(typed.onTimeout).type.toBeCallableWith(() => {})
  })
})

describe('errors', () => {
  test('have their code and their reason', () => {
    const error = new errors.SSE_ERR_CLOSED('client')
    expect(error.reason).type.toBe<SseReason>()
    expect(error.code).type.toBe<string>()
    expect<SseReason>().type.toBe<'complete' | 'error' | 'timeout' | 'client' | 'slow' | 'shutdown' | 'expired' | 'kicked'>()
  })
})

describe('app.sse', () => {
  test('exports the filters and the options of all its functions', () => {
    expect<SseFilter>().type.toBeAssignableFrom((entry: SseEntry, channel: string) => entry.id === channel)
    expect<SseWatchOptions>().type.toBeAssignableFrom({ markers: false })
    expect<SseReadOptions>().type.toBeAssignableFrom({ after: '7', signal: new AbortController().signal })
    expect<SseReplayOptions>().type.toBeAssignableFrom({ after: '7', count: 5 })
    expect<SseChannelOptions>().type.toBeAssignableFrom({ history: { count: 5 } })
    expect<SseMemoryBrokerOptions>().type.toBeAssignableFrom({ maxChannels: 5 })
    expect(app.sse.list()).type.toBe<SseStreamInfo[]>()
  })

  test('lists and closes streams', () => {
    expect(app.sse.size).type.toBe<number>()
    expect(app.sse.close(({ key, age }) => key === 'x' && age > 5)).type.toBe<number>()
    expect(app.sse.closeKey('x')).type.toBe<Promise<void>>()
    expect(app.sse.list()[0]?.queued).type.toBe<number | undefined>()
    expect(app.sse.list()[0]?.channels).type.toBe<readonly string[] | undefined>()
    expect(app.sse.channels()[0]?.subscribers).type.toBe<number | undefined>()
  })
})

describe('a channel', () => {
  const untyped = app.sse.channel('a')
  const typed = app.sse.channel<Events>('a', { history: { count: 10 } })

  test('checks the data of each event type', () => {
    expect(typed.publish({ text: 'hi' }, { event: 'delta' })).type.toBe<Promise<SsePublished>>()
    expect(typed.publish).type.toBeCallableWith('text', { key: 'k' })
    expect(typed.publish).type.not.toBeCallableWith({ tokens: 5 }, { event: 'delta' as const })
    expect(typed.publish).type.not.toBeCallableWith({ text: 'hi' })
    expect(typed.publish('text', { idempotencyKey: 'key' })).type.toBe<Promise<SsePublished>>()
    expect(typed.publish).type.toBeCallableWith({ text: 'hi' }, { event: 'delta', idempotencyKey: 'key' as string | undefined })
    expect(typed.publish).type.not.toBeCallableWith(5, { idempotencyKey: 'key' })
    expect(typed.publish).type.not.toBeCallableWith('text', { idempotencyKey: 5 })
  })

  test('without an event map accepts any event', () => {
    expect(untyped.publish).type.toBeCallableWith({ any: 1 })
    expect(untyped.publish).type.toBeCallableWith('x', { event: 'y' as string | undefined })
    expect(untyped.publish).type.not.toBeCallableWith('x', { id: '7' })
    expect(untyped.publish).type.not.toBeCallableWith('x', { key: 7 })
    expect(reply.sse().send).type.toBeCallableWith('x', { event: 'y' as string | undefined })
    expect(typed.publish).type.not.toBeCallableWith('x', { event: 'y' as string | undefined })
  })

  test('fits a function for any channel', () => {
    expect<SseChannel>().type.toBeAssignableFrom(typed)
    expect<SseChannel<{ delta: Delta }>>().type.toBeAssignableFrom(typed)
    expect<SseChannel<Events>>().type.not.toBeAssignableFrom(app.sse.channel<{ delta: Delta }>('a'))
  })

  test('can be subscribed to', () => {
    const emitter = reply.sse<Events>()
    expect(emitter.subscribe(typed)).type.toBe<Promise<void>>()
    expect(emitter.subscribe).type.toBeCallableWith([untyped, typed], { from: 'start', markers: false })
    expect(emitter.subscribe).type.toBeCallableWith(typed, { from: 'an-id', filter: ({ data, key }: SseEntry) => data === key })
    expect(emitter.subscribe).type.not.toBeCallableWith('a')
    expect(emitter.subscribe).type.not.toBeCallableWith(typed, { from: 5 })
  })

  test('can have a broker of its own', () => {
    expect(memoryBroker()).type.toBe<SseBroker>()
    expect<SsePluginOptions>().type.toBeAssignableFrom({ broker: memoryBroker({ maxChannels: 5 }), lastEventIdParameter: 'since' })
  })

  test('can have partitions, identified by numbers or strings', () => {
    expect<SseBroker>().type.toBeAssignableFrom({ ...memoryBroker(), partition: (channel: string) => channel.length })
    expect<SseBroker>().type.toBeAssignableFrom({ ...memoryBroker(), partition: (channel: string) => channel })
    expect<SseBroker>().type.not.toBeAssignableFrom({ ...memoryBroker(), partition: 3 })
  })
})

describe('the client', () => {
  type Tick = SseMessage<'tick', { price: number }>
  type Halt = SseMessage<'halt', string>

  test('receives text unless it parses', () => {
    expect(connect('/')).type.toBe<SseConnection>()
    connect('/', { onEvent: message => { expect(message).type.toBe<SseMessage>() } })
    connect('/', { parse: JSON.parse, onEvent: message => { expect(message).type.toBe<SseMessage<string, any>>() } })
    expect(connect('/', { parse: JSON.parse })).type.toBe<SseConnection<SseMessage<string, any>>>()
    interface Map { tick: { price: number }, halt: string }
    expect(connect<Map>('/')).type.toBe<SseConnection<SseMessage<'tick'> | SseMessage<'halt'>>>()
    connect<Map>('/', { onEvent: message => { expect(message).type.toBe<SseMessage<'tick'> | SseMessage<'halt'>>() } })
  })

  test('receives the events of an event map', () => {
    interface Map { tick: { price: number }, halt: string }
    expect(connect<Map>('/', { parse: JSON.parse })).type.toBe<SseConnection<Tick | Halt>>()
    connect<Map>('/', {
      parse: JSON.parse,
      onEvent: ({ type, data }) => {
        if (type === 'tick') expect(data).type.toBe<{ price: number }>()
        else expect(data).type.toBe<string>()
      }
    })
  })

  test('receives what schemas return', () => {
    const halt: SseStandardSchema<string> = { '~standard': { validate: value => ({ value: String(value) }) } }
    const schemas = { tick: z.object({ price: z.string().transform(Number) }), halt }
    expect(connect('/', { schemas })).type.toBe<SseConnection<Tick | Halt>>()
    connect('/', {
      onEvent: message => {
        expect(message).type.toBe<Tick | Halt>()
        if (message.type === 'tick') expect(message.data.price).type.toBe<number>()
      },
      schemas
    })
    expect(connect).type.not.toBeCallableWith('/', { schemas: { tick: Type.String() } })
  })
})

describe('a broker in Redis', () => {
  test('is created with one URL, or with several of a cluster or of Sentinels', () => {
    expect(redisBroker({ url: 'redis://a' })).type.toBe<RedisBroker>()
    expect<RedisBrokerOptions>().type.toBeAssignableFrom({ url: ['redis://a', 'redis://b'], cluster: { partitions: 3, sharded: false } })
    expect<RedisBrokerOptions>().type.toBeAssignableFrom({ url: ['redis://a'], client: createClient(), cluster: {} })
    expect<RedisBrokerOptions>().type.toBeAssignableFrom({ url: 'redis://a', sentinel: { name: 'main', username: 'a', password: 'b' } })
    expect<RedisBrokerOptions>().type.not.toBeAssignableFrom({ sentinel: {} })
    expect<RedisBrokerOptions>().type.not.toBeAssignableFrom({ cluster: { partitions: '3' } })
    expect<SsePluginOptions>().type.toBeAssignableFrom({ broker: redisBroker() })
  })
})

test('an unknown event map, as of `Parameters` and `ReturnType`, accepts any event', () => {
  type Producer = Parameters<typeof app.sse.runs.start>[1]
  expect<Producer>().type.toBeAssignableFrom(async function * () { yield 'text'; yield event({ any: 1 }, { event: 'any' }) })
  expect<Producer>().type.not.toBeAssignableFrom(() => 5)
  const emitter = {} as ReturnType<FastifyReply['sse']>
  expect(emitter.send).type.toBeCallableWith({ any: 1 }, { event: 'any' })
  expect(emitter.send).type.toBeCallableWith('text')
  expect(emitter.sendAll).type.toBeCallableWith(['text', event(5, { event: 'any' })])
  expect(emitter.complete).type.toBeCallableWith({ event: 'end' })
  const channel = {} as ReturnType<typeof app.sse.channel>
  expect(channel.publish).type.toBeCallableWith({ any: 1 }, { event: 'any' })
})

describe('a run', () => {
  const { runs } = app.sse

  test('checks what its producer yields', () => {
    expect(runs.start('id', () => ['anything', 5, event('x', { event: 'y' })])).type.toBe<Promise<SseRunStarted>>()
    expect(runs.start<Events>).type.toBeCallableWith('id', async function * () { yield event({ text: 'hi' }, { event: 'delta' }); return { any: 1 } })
    expect(runs.start<Events>).type.not.toBeCallableWith('id', async function * () { yield event({ text: 5 }, { event: 'delta' }) })
    expect(runs.start<Events>).type.not.toBeCallableWith('id', async function * () { yield event({ tokens: 5 }, { event: 'done' }) })
    expect(runs.start).type.toBeCallableWith('id', async ({ id, signal }: { id: string, signal: AbortSignal }) => [id, signal.aborted], { timeout: 5, coalesce: 25 })
    expect(runs.start).type.not.toBeCallableWith('id', () => 5)
  })

  test('reports its end', () => {
    runs.start('id', () => [], {
      onEnd: async result => {
        expect(result).type.toBe<SseRunResult>()
        expect(result.state).type.toBe<'done' | 'failed' | 'aborted'>()
        expect(result.data).type.toBe<string>()
        expect(result.text('delta')).type.toBe<Promise<string>>()
        expect(result.run).type.toBe<SseRun>()
      }
    })
    expect(runs.start).type.not.toBeCallableWith('id', () => [], { onEnd: 5 })
  })

  test('may have an owner', async () => {
    expect(runs.start).type.toBeCallableWith('id', () => [], { owner: 'ann' })
    expect(runs.start).type.not.toBeCallableWith('id', () => [], { owner: 5 })
    expect(runs.get).type.toBeCallableWith('id', { owner: 'ann' })
    expect(runs.get).type.not.toBeCallableWith('id', 'ann')
    expect(runs.cancel).type.toBeCallableWith('id', { owner: 'ann' })
    expect((await runs.get('id'))!.owner).type.toBe<string | undefined>()
    expect(runs.list()[0]!.owner).type.toBe<string | undefined>()
    expect<SseRunLookup>().type.toBeAssignableFrom({ owner: 'ann' })
  })

  test('can be watched by any emitter, and read', async () => {
    const run = await runs.get('id')
    expect(run).type.toBe<SseRun | undefined>()
    expect(run!.watch).type.toBeCallableWith(reply.sse<Events>(), { markers: false })
    expect(run!.watch).type.not.toBeCallableWith({ lastEventId: undefined, onCompletion: () => {}, subscribe: async () => {} })
    expect(run!.read({ after: 'id' })).type.toBe<AsyncIterable<SseEntry>>()
    expect(run!.state).type.toBe<'running' | 'done' | 'failed' | 'aborted'>()
  })
})

describe('injectSse', () => {
  test('takes an application of any server, logger and type provider', () => {
    expect(injectSse).type.toBeCallableWith(app, { url: '/' })
    expect(injectSse).type.toBeCallableWith(app.withTypeProvider<TypeBoxTypeProvider>(), { url: '/' })
    expect(injectSse).type.toBeCallableWith(fastify({ http2: true, loggerInstance: app.log }), { url: '/' })
    expect(injectSse).type.not.toBeCallableWith({}, { url: '/' })
  })

  test('takes the options of a request', () => {
    expect<InjectSseOptions>().type.toBeAssignableFrom({ url: '/', method: 'POST' as const, headers: { a: 'b', c: ['d'] }, payload: { a: 1 }, lastEventId: '1', signal: AbortSignal.abort() })
    expect<InjectSseOptions>().type.toBeAssignableFrom({ url: '/', lastEventId: undefined, signal: undefined })
    expect<InjectSseOptions>().type.not.toBeAssignableFrom({ method: 'POST' as const })
  })

  test('gives a stream of events', () => {
    const stream = {} as InjectedStream
    expect(injectSse(app, { url: '/' })).type.toBe<Promise<InjectedStream>>()
    expect(stream.next()).type.toBe<Promise<InjectedEvent | undefined>>()
    expect(stream.take(2)).type.toBe<Promise<InjectedEvent[]>>()
    expect(stream.until(({ event, data, id }) => event + data + id !== '')).type.toBe<Promise<InjectedEvent[]>>()
    expect(stream.until).type.not.toBeCallableWith(async () => true)
    expect(stream).type.toBeAssignableTo<AsyncIterable<InjectedEvent>>()
    expect(stream.comments).type.toBe<readonly string[]>()
    expect(stream.retry).type.toBe<number | undefined>()
    expect(stream.body()).type.toBe<Promise<string>>()
    expect(stream.leave()).type.toBe<Promise<void>>()
    expect(stream.comeBack()).type.toBe<Promise<InjectedStream>>()
    expect(stream.closed).type.toBe<Promise<SseReason>>()
  })
})

test('messages of diagnostics channels have types', () => {
  expect<SseDiagnostics['fastify-sse-emitter:stream:close']['reason']>().type.toBe<SseReason>()
  expect<SseDiagnostics['fastify-sse-emitter:stream:refuse']['error']['code']>().type.toBe<string>()
  expect<SseDiagnostics['fastify-sse-emitter:channel:gap']['request']>().type.toBe<FastifyRequest>()
  expect<SseDiagnostics>().type.not.toHaveProperty('fastify-sse-emitter:stream')
})

describe('eventsOf()', () => {
  test('accepts a response of fetch, of undici, or any object with its parts', () => {
    expect(eventsOf(new Response())).type.toBe<ResponseEvents>()
    expect(eventsOf(fetch('http:'))).type.toBe<ResponseEvents>()
    expect(eventsOf).type.toBeCallableWith({} as UndiciResponse, { ids: false })
    expect(eventsOf).type.toBeCallableWith({} as Dispatcher.ResponseData)
    expect(eventsOf).type.toBeCallableWith({ statusCode: 200, headers: {}, body: Readable.from([]) })
    expect(eventsOf).type.not.toBeCallableWith(new ReadableStream())
    expect(eventsOf).type.not.toBeCallableWith(new Response(), { retries: 1 })
  })

  test('yields what sendAll() and runs accept', () => {
    expect(reply.sse().sendAll).type.toBeCallableWith(eventsOf(new Response()))
    expect(app.sse.runs.start).type.toBeCallableWith('a', async () => eventsOf(new Response(), { ids: false }))
  })
})
