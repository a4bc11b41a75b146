import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { build } from '../fixtures/app.ts'
import { blocksOf, runBlock } from '../fixtures/doc-blocks.ts'
import { testingExamples } from '../fixtures/testing-examples.ts'

const PAGE = 'docs/testing.md'

t.test('the examples for test runners pass', async t => {
  const { 'vitest.test.js': vitest, ...files } = testingExamples()
  t.ok(vitest, 'test:matrix runs it')
  const folder = t.testdir(files)
  for (const name of ['node.test.js', 'tap.test.js']) {
    const { stdout } = await promisify(execFile)('env', ['-u', 'NODE_OPTIONS', process.execPath, ...process.execArgv, join(folder, name)])
    t.match(stdout, /^ok 2|pass 2/m, name)
  }
})

t.test('the example of the README', async t => {
  const { app } = await build(t)
  app.get('/prices', async ({ headers }, reply) => {
    t.equal(headers.cookie, 'session=1')
    const emitter = reply.sse()
    for (const event of ['tick', 'tick', 'tick', 'closing']) await emitter.send(1, { event })
    return reply
  })
  await t.resolves(runBlock(blocksOf('README.md', 'Testing your routes')[0]!, { app }))
})

t.test('the example with several clients', async t => {
  const { app } = await build(t)
  app.get('/prices', async (_request, reply) => {
    await reply.sse().subscribe(app.sse.channel('prices'))
    return reply
  })
  await t.resolves(runBlock(blocksOf(PAGE, 'Several clients')[0]!, { app }))
})

t.test('the example with authentication', async t => {
  const { app } = await build(t)
  app.post('/login', async (_request, reply) => reply.header('set-cookie', 'session=1; HttpOnly').send())
  app.get('/prices', async ({ headers }, reply) => {
    if (headers.cookie !== 'session=1') throw Object.assign(new Error('Log in first'), { statusCode: 401 })
    return reply.sse()
  })
  await t.resolves(runBlock(blocksOf(PAGE, 'Authentication')[0]!, { app }))
})

t.test('the example with runs', async t => {
  const { app } = await build(t)
  app.post('/answers', async () => {
    await app.sse.runs.start('1', async function * () {
      for (const text of ['Because', '.']) yield { text }
    })
    return { id: '1' }
  })
  app.get('/answers/1', async (_request, reply) => {
    await (await app.sse.runs.get('1'))!.watch(reply.sse())
    return reply
  })
  await t.resolves(runBlock(blocksOf(PAGE, 'Runs')[0]!, { app }))
})
