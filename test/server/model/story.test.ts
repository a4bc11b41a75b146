import { marked } from 'marked'
import t from 'tap'
import { SeededRandom } from '../../../server/seeded-random.ts'
import { CAST, SCENES, WORDS } from '../../../server/model/story-texts.ts'
import { story } from '../../../server/model/story.ts'
import { countTokens } from '../../../server/model/tokens.ts'

const headings = (text: string): string[] => marked.lexer(text).flatMap(token => token.type === 'heading' ? [`${token.depth} ${token.text}`] : [])

t.test('a seed determines the story', async t => {
  const tell = (seed: string): string => story(new SeededRandom(seed), { chapters: 3 })
  t.equal(tell('a'), tell('a'))
  t.not(tell('a'), tell('b'))
})

t.test('a novel has thousands of tokens and a title for each chapter', async t => {
  const text = story(new SeededRandom('a'), { chapters: 14 })
  const [title, ...chapters] = headings(text)
  t.match(title, /^1 \w+ and the truth about /)
  t.equal(chapters.length, 14)
  for (const [index, chapter] of chapters.entries()) t.match(chapter, new RegExp(`^2 Chapter ${index + 1}: \\S`))
  t.ok(countTokens(text) > 4_000, `${countTokens(text)} tokens`)
})

t.test('no scene is repeated while unused ones remain', async t => {
  const text = story(new SeededRandom('a'), { chapters: 10 })
  const paragraphs = text.split('\n\n').filter(paragraph => paragraph.length > 60)
  t.equal(new Set(paragraphs.map(paragraph => paragraph.slice(-40))).size, paragraphs.length)
})

t.test('a short story has no chapters', async t => {
  const text = story(new SeededRandom('a'), { chapters: 1 })
  t.equal(headings(text).length, 1)
  t.ok(countTokens(text) > 200, `${countTokens(text)} tokens`)
})

t.test('a story has the requested subject and reader', async t => {
  const text = story(new SeededRandom('a'), { chapters: 1, subject: 'dragons', reader: 'Anna' })
  t.match(text, /^# \w+ and the truth about dragons\n\n\*For Anna\*\n\n/)
})

t.test('every placeholder is filled', async t => {
  const text = story(new SeededRandom('a'), { chapters: 40 })
  t.notMatch(text, /[{}]|undefined/)
  const known = new Set([...Object.keys(CAST), ...Object.keys(WORDS)])
  for (const scene of Object.values(SCENES).flat()) {
    for (const [, name] of scene.matchAll(/\{(\w+)\}/g)) t.ok(known.has(name!), name!)
  }
})
