import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { demo } from '../fixtures/demo.ts'

t.test('libraries come from where they are installed', async t => {
  const { app } = await demo(t)
  for (const [name, module] of [['marked', 'marked'], ['purify', 'dompurify'], ['echarts', 'echarts/dist/echarts.esm.min.mjs']] as const) {
    const { statusCode, headers, body } = await app.inject(`/vendor/${name}.js`)
    t.equal(statusCode, 200)
    t.match(headers['content-type'], /^(text|application)\/javascript/)
    t.equal(body, readFileSync(fileURLToPath(import.meta.resolve(module)), 'utf8'))
  }
  t.equal((await app.inject('/vendor/package.json')).statusCode, 404)
})
