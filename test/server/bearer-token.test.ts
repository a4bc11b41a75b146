import fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { requireToken } from '../../server/bearer-token.ts'

function appWith (token: string): FastifyInstance {
  const app = fastify()
  app.get('/', { onRequest: requireToken(token, 'Publishing', 'PUBLISH_TOKEN') }, async () => 'admitted')
  return app
}

t.test('a request without the token is refused with 401', async t => {
  const app = appWith('p@ss!word')
  for (const authorization of [undefined, '', 'Bearer', 'Bearer ', 'p@ss!word', 'Basic p@ss!word', 'Bearer p@ss!wor', 'Bearer p@ss!word2', 'Bearer P@ss!word']) {
    const { statusCode, headers, body } = await app.inject({ url: '/', headers: authorization === undefined ? {} : { authorization } })
    t.equal(statusCode, 401, String(authorization))
    t.equal(headers['www-authenticate'], 'Bearer')
    t.match(JSON.parse(body), { code: 'TOKEN_REQUIRED', message: 'Publishing requires the bearer token set by PUBLISH_TOKEN' })
  }
})

t.test('a request with the token is admitted', async t => {
  const app = appWith('p@ss!word')
  for (const authorization of ['Bearer p@ss!word', 'bearer p@ss!word', 'Bearer   p@ss!word']) {
    t.equal((await app.inject({ url: '/', headers: { authorization } })).statusCode, 200, authorization)
  }
})

t.test('without a token, every request is admitted', async t => {
  const app = appWith('')
  for (const headers of [{}, { authorization: 'Bearer anything' }]) t.equal((await app.inject({ url: '/', headers })).statusCode, 200)
})
