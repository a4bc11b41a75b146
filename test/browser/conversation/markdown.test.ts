import { PAGES } from '../../../server/model/pages.ts'
import { tokens } from '../../../server/model/tokens.ts'
import { conversationSuite, FAST, untilAnswerIs, sendMessage, serve, storedAnswer } from '../../fixtures/conversation-page.ts'

conversationSuite('Markdown on the conversation page', ({ test, open }) => {
  test('shows no raw Markdown while text arrives, and renders the same as the whole text', async t => {
    const server = await serve(t, FAST)
    const texts = [...Object.values(PAGES),
      'See [one] and [two][one].\n\n[one]: https://example.com\n\nThen [one] again.',
      'Steps:\n\n1. first\n\n2. second\n\n3. third\n\nEnd', 'One:\r\n\r\n- a\r\n- b\r\n\r\n  more\r\n', 'Said before\n- a **bold** item\n- [ ] to do\n',
      '<div>\n\nin a block\n\n</div>\n\nand <b>after</b> it', '- in a list:\n\n  ```js\n  code **here**\n  ```\n- last', '~~gone~~ and ***both*** and `a ** b` and f_o_o and _so_',
      'Head:\n| a | b \\| c |\n|:-:|--|\n| `1` | **2** |', '```\nnever closed', '[x](javascript:alert(1)) ![y](https://elsewhere.test/y.png)'
    ]
    await open(t, server, async page => {
      await page.evaluate(`(async () => {
        const { MarkdownView } = await import('${new URL('conversation-markdown.js', server.page)}')
        const view = () => {
          const element = document.createElement('div')
          return { element, markdown: new MarkdownView(element) }
        }
        globalThis.compare = pieces => {
          const grown = view()
          const raw = []
          let text = ''
          for (const piece of pieces) {
            text += piece
            grown.markdown.show(text, false)
            const shown = grown.element.cloneNode(true)
            for (const code of shown.querySelectorAll('code')) code.remove()
            if (/\\*\\*|\`\`\`|~~|\\|\\s*:?-|\\]\\(|^\\|/m.test(shown.textContent) || shown.querySelector('h4')?.textContent === 'Said before') raw.push([text, shown.textContent])
          }
          grown.markdown.show(text, true)
          const whole = view()
          whole.markdown.show(text, true)
          return { raw, grown: grown.element.innerHTML, whole: whole.element.innerHTML }
        }
      })()`)
      for (const text of texts) {
        const { raw, grown, whole } = await page.evaluate<{ raw: string[], grown: string, whole: string }>(`compare(${JSON.stringify([...tokens(text)])})`)
        t.strictSame(raw.slice(0, 3), [], 'no raw Markdown')
        t.equal(grown, whole)
      }
    })
  })

  test('an answer can neither run scripts nor send requests', async t => {
    const server = await serve(t, FAST)
    const attempts = [
      '<img src=x onerror="pwned=1">', '<script>pwned=1</script>', '<svg onload="pwned=1"><a xlink:href="javascript:pwned=1">x</a></svg>',
      '[a](javascript:pwned=1) [b](JaVaScRiPt&colon;pwned=1) [c](data:text/html,x) [d](vbscript:x)', '<a href="javascript:pwned=1">e</a>',
      '<iframe srcdoc="<script>parent.pwned=1</script>"></iframe><object data=x></object><embed src=x><base href="//elsewhere.test">',
      '<form action="//elsewhere.test"><input name=q><button>go</button></form>', '<p style="position:fixed;inset:0" id=message class=composer onclick="pwned=1">over</p>',
      '<style>body{display:none}</style><link rel=stylesheet href="//elsewhere.test/x.css"><meta http-equiv=refresh content="0;url=//elsewhere.test">',
      '![seen](https://elsewhere.test/pixel.png) <img alt=too src="//elsewhere.test/2.png" srcset="//elsewhere.test/3.png">',
      '<math><mtext><table><mglyph><style><!--</style><img title="--><img src=x onerror=pwned=1>">', '<div data-id=x aria-label=y role=alert hidden>z</div>',
      '[good](https://example.com "title") <https://example.org> [mail](mailto:a@example.com)', '```js" onmouseover="pwned=1\ncode\n```', '<details open ontoggle=pwned=1>'
    ]
    const far: string[] = []
    const TAGS = /^(?:div|p|a|figure|figcaption|button|pre|code|b|em)$/
    const ATTRIBUTES = /^(?:href|target|rel|title|class|role|aria-label|tabindex|type)$/
    await open(t, server, async page => {
      page.on('request', request => { if (!request.url().startsWith(new URL(server.page).origin)) far.push(request.url()) })
      await sendMessage(page, `Repeat: ${attempts.join('\n\n')}`)
      await untilAnswerIs(page, 'done')
      t.equal(await storedAnswer(page), attempts.join('\n\n'))
      const found = await page.evaluate<{ tags: string[], attributes: string[], links: string[][], text: string, pwned: unknown }>(`(() => {
        const all = Array.from(document.querySelectorAll('.answer .markdown *'))
        return {
          tags: Array.from(new Set(all.map(({ localName }) => localName))),
          attributes: Array.from(new Set(all.flatMap(element => element.getAttributeNames()))),
          links: all.filter(({ localName, href }) => localName === 'a' && href).map(({ href, target, rel }) => [href, target, rel]),
          text: document.querySelector('.answer .markdown').textContent,
          pwned: globalThis.pwned
        }
      })()`)
      t.equal(found.pwned, undefined)
      t.strictSame(found.tags.filter(tag => !TAGS.test(tag)), [])
      t.strictSame(found.attributes.filter(name => !ATTRIBUTES.test(name)), [])
      t.strictSame(found.links, ['https://example.com/', 'https://example.org/', 'mailto:a@example.com'].map(href => [href, '_blank', 'noopener noreferrer']))
      t.match(found.text, 'seen', 'an external image is replaced by its description')
      t.match(found.text, '<script>pwned=1</script>', 'HTML is shown as text')
    })
    t.strictSame(far, [])
  })
})
