import fastify, { type FastifyInstance } from 'fastify'
import { EventSource } from 'eventsource'
import { marked, type Tokens } from 'marked'
import t, { type Test } from 'tap'
import { FAULTS } from '../../../server/model/faults.ts'
import { PAGES } from '../../../server/model/pages.ts'

/** The types of all tokens in a Markdown text. */
function kinds (markdown: string): Set<string> {
  const kinds = new Set<string>()
  marked.walkTokens(marked.lexer(markdown), token => { kinds.add(token.type === 'heading' ? `heading ${token.depth}` : token.type) })
  return kinds
}

t.test('the Markdown page contains every element', async t => {
  t.strictSame(kinds(PAGES.markdown), new Set([
    'space', 'heading 1', 'heading 2', 'heading 3', 'heading 4', 'heading 5', 'heading 6', 'paragraph', 'text', 'strong', 'em', 'del', 'codespan', 'link', 'escape', 'br',
    'blockquote', 'list', 'list_item', 'checkbox', 'table', 'code', 'image', 'hr', 'html'
  ]))
  const html = await marked.parse(PAGES.markdown)
  for (const tag of [
    '<h1>', '<h2>', '<h3>', '<h4>', '<h5>', '<h6>', '<p>', '<strong>', '<em>', '<em><strong>', '<del>', '<code>', '<a href="https://html.spec.whatwg.org">',
    '<a href="https://developer.mozilla.org">', '<br>', '</p>\n<blockquote>\n<p>A quotation inside a quotation.', '<ul>', '<ol>', '<input checked="" disabled="" type="checkbox">', '<table>', '<th align="center">',
    '<td align="right">', '<pre><code class="language-js">', '<pre><code>Code by indentation.', '<img src="/icon.svg"', '<hr>', '&lt;b&gt;not markup&lt;/b&gt;'
  ]) t.ok(html.includes(tag), tag)
})

t.test('pages that explain something are structured', async t => {
  for (const page of [PAGES.sse, PAGES.project, PAGES.webSockets]) {
    for (const kind of ['table', 'strong']) t.ok(kinds(page).has(kind), kind)
  }
  for (const kind of ['heading 1', 'heading 2', 'list', 'link', 'code', 'table']) t.ok(kinds(PAGES.sse).has(kind), kind)
})

t.test('help names every fault', async t => {
  const rows: string[] = []
  marked.walkTokens(marked.lexer(PAGES.help), token => {
    if (token.type === 'table') rows.push(...token.rows.map((row: Array<{ text: string }>) => row[0]!.text))
  })
  t.strictSame(rows, Object.keys(FAULTS).map(word => `\`${word}\``))
})

/** Runs the code of a page. */
async function run (page: string, around: Record<string, unknown>): Promise<unknown> {
  const blocks = marked.lexer(page).filter(({ type }) => type === 'code')
  const [code] = blocks.map(block => String((block as Tokens.Code).text).replaceAll(/^import .*$/gm, '').replace(/await app\.listen\(.*\)/, 'return app'))
  const AsyncFunction = (async () => {}).constructor as new (...parts: string[]) => (...values: unknown[]) => Promise<unknown>
  return await new AsyncFunction(...Object.keys(around), code!)(...Object.values(around))
}

t.test('the code for the server and the code for the browser work together', async (t: Test) => {
  const { default: sse } = await import('fastify-sse-emitter')
  const app = await run(PAGES.serverCode, { fastify, sse, sleep: async () => {} }) as FastifyInstance
  t.teardown(() => app.close())
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  const shown: string[] = []
  const time = new Proxy({}, { set: (_time, _name, text: string) => shown.push(text) > 0 })
  const closed = new Promise<void>(resolve => {
    class Source extends EventSource {
      constructor (path: string) { super(new URL(path, origin)) }
      override close (): void {
        super.close()
        resolve()
      }
    }
    run(PAGES.browserCode, { EventSource: Source, document: { querySelector: () => time } })
  })
  await closed
  t.equal(shown.length, 5)
  for (const text of shown) t.equal(new Date(text).toISOString(), text)
})
