import { createRequire } from 'node:module'
import fastify, { type FastifyInstance, type FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import sse from 'fastify-sse-emitter'
import { decode } from '../fixtures/client.ts'

const routes: FastifyPluginAsync = async app => {
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.send('x')
    emitter.complete()
    return emitter
  })
  app.post('/plain', (_request, reply) => {
    const emitter = reply.sse()
    emitter.sendAll(['x']).then(() => emitter.complete())
    return reply
  })
}

/** As @fastify/autoload registers the files of a folder: one plugin each, with a prefix for a nested folder. */
const folder = (files: Record<string, FastifyPluginAsync>): FastifyPluginAsync => fp(async app => {
  for (const [prefix, file] of Object.entries(files)) app.register(file, { prefix })
})

const WORKS: Record<string, { register: (app: FastifyInstance) => unknown, urls?: string[] }> = {
  'the plugin awaited, then routes': {
    register: async app => {
      await app.register(sse)
      await routes(app, {})
    }
  },
  'the plugin not awaited, then routes in the same callback': {
    register: app => {
      app.register(sse)
      routes(app, {})
    }
  },
  'routes, then the plugin': {
    register: app => {
      routes(app, {})
      app.register(sse)
    }
  },
  'the plugin not awaited, then routes in nested scopes with prefixes': {
    register: app => {
      app.register(sse)
      app.register(routes, { prefix: '/a' })
      app.register(async inside => { inside.register(routes, { prefix: '/c' }) }, { prefix: '/b' })
    },
    urls: ['/a', '/b/c']
  },
  'routes in nested scopes, then the plugin': {
    register: async app => {
      await app.register(routes, { prefix: '/a' })
      await app.register(async inside => { inside.register(routes, { prefix: '/c' }) }, { prefix: '/b' })
      app.register(sse)
    },
    urls: ['/a', '/b/c']
  },
  'a scope that decorates replies, then the plugin around it': {
    register: async app => {
      await app.register(async inside => {
        inside.decorateReply('own', null)
        await routes(inside, {})
      })
      app.register(sse)
    }
  },
  'routes in after()': {
    register: app => { app.register(sse).after(() => { routes(app, {}) }) }
  },
  'folders of plugins and of routes': {
    register: app => {
      app.register(folder({ '/': fp(async app => { app.register(sse) }) }))
      app.register(folder({ '/': routes, '/nested': routes }))
    },
    urls: ['/', '/nested']
  },
  'folders of routes and of plugins': {
    register: app => {
      app.register(folder({ '/': routes, '/nested': routes }))
      app.register(folder({ '/': fp(async app => { app.register(sse) }) }))
    },
    urls: ['/', '/nested']
  },
  'an application that is a plugin itself': {
    register: app => {
      app.register(async inside => {
        inside.register(sse)
        await routes(inside, {})
      }, { prefix: '/app' })
    },
    urls: ['/app']
  },
  'an application with a callback': {
    register: app => {
      app.register((inside, _options, done) => {
        inside.register(sse)
        routes(inside, {})
        done()
      })
    }
  },
  'siblings that register the plugin each': {
    register: app => {
      for (const prefix of ['/a', '/b']) {
        app.register(async inside => {
          inside.register(sse)
          await routes(inside, {})
        }, { prefix })
      }
    },
    urls: ['/a', '/b']
  },
  'a nested scope, then the plugin around it': {
    register: async app => {
      await app.register(async inside => {
        inside.register(sse)
        await routes(inside, {})
      }, { prefix: '/a' })
      app.register(sse)
      await routes(app, {})
    },
    urls: ['/', '/a']
  },
  'the module, as require() and import() return it': {
    register: app => {
      app.register(createRequire(import.meta.url)('fastify-sse-emitter'))
      routes(app, {})
    }
  },
  'a promise of the module': {
    register: app => {
      app.register(import('fastify-sse-emitter'))
      routes(app, {})
    }
  }
}

function create (t: Test): FastifyInstance {
  const app = fastify()
  t.teardown(() => app.close())
  return app
}

for (const [name, { register, urls = ['/'] }] of Object.entries(WORKS)) {
  t.test(`${name}: every route streams`, async t => {
    const app = create(t)
    await register(app)
    await app.ready()
    for (const prefix of urls) {
      for (const [method, path] of [['GET', ''], ['POST', '/plain']] as const) {
        const { statusCode, body } = await app.inject({ method, url: `${prefix}${path}`.replace('//', '/') })
        t.equal(statusCode, 200, body)
        t.match(decode(body).events, [{ data: 'x' }])
      }
    }
  })
}

const FAILS: Record<string, { register: (app: FastifyInstance) => unknown, code: string, message: RegExp }> = {
  'the plugin twice in one scope': {
    register: app => { app.register(sse).register(sse) },
    code: 'SSE_ERR_REGISTERED',
    message: /already registered in this scope or in one that contains it; register it once/
  },
  'the plugin in a scope and in a nested one': {
    register: app => {
      app.register(sse)
      app.register(async inside => { inside.register(sse) })
    },
    code: 'SSE_ERR_REGISTERED',
    message: /already registered/
  },
  'an invalid option': {
    register: app => { app.register(sse, { heartbeat: -1 }) },
    code: 'SSE_ERR_OPTION',
    message: /heartbeat/
  },
  'another plugin that decorates replies with `sse`': {
    register: app => {
      app.decorateReply('sse' as string, null)
      app.register(sse)
    },
    code: 'FST_ERR_DEC_ALREADY_PRESENT',
    message: /'sse'/
  }
}

for (const [name, { register, code, message }] of Object.entries(FAILS)) {
  t.test(`${name}: the application does not start`, async t => {
    const app = create(t)
    register(app)
    await routes(app, {})
    await t.rejects(async () => await app.ready(), { code, message })
  })
}

t.test('a scope beside the one that registered the plugin has no reply.sse()', async t => {
  const app = create(t)
  app.register(async inside => { inside.register(sse) })
  app.get('/', async (_request, reply) => ({ sse: typeof reply.sse }))
  t.strictSame((await app.inject('/')).json(), { sse: 'undefined' })
})

t.test('a hook of an unknown URL may call reply.sse(), which then answers', async t => {
  const app = create(t)
  app.register(sse)
  app.addHook('preHandler', async (_request, reply) => {
    const emitter = reply.sse()
    emitter.send('x')
    emitter.complete()
  })
  t.match(decode((await app.inject('/unknown')).body).events, [{ data: 'x' }])
})
