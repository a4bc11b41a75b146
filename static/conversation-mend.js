/* Completes Markdown whose end has not arrived yet, so that it renders as it will in the end. Does not use the DOM. */

/** The first line of a block; emphasis, code and links do not cross it. */
const BLOCK_START = /^\s*(?:[-*+]|\d{1,9}[.)]|#{1,6}|>|\|)(?:\s|$)|^\s*\|/
const FENCE = /^\s*(?:(?:[-*+]|\d{1,9}[.)]|>)\s+)*(`{3,}|~{3,})/
const DELIMITERS = /^\s*\|[\s|:-]*$/
/** An escaped character, or an opening or closing mark. */
const MARKS = /\\.|`+|\*+|~~|(?<!\w)_+|_+(?!\w)/g

/**
 * Completes the last block of a text: closes open marks, and removes an ambiguous end. It changes neither earlier blocks
 * nor a complete one.
 */
export function mend (text) {
  const written = text.split('\n')
  const fence = openFence(written)
  if (fence !== undefined) return withoutClosing(written, fence).join('\n')
  const lines = text.trimEnd().split('\n')
  // A blank line ends the block.
  if (written.length - lines.length > 1) return text
  const block = lines.findLastIndex(line => line.trim() === '') + 1
  const from = Math.max(lines.findLastIndex(line => BLOCK_START.test(line)), block)
  const mended = [...lines.slice(0, from), ...closeInline(lines.slice(from).join('\n')).split('\n')]
  // These may become a heading's underline or a list, a fence, or a table row.
  if (/^\s*(?:-+|=+|[`~]{1,2}|\|)$/.test(mended.at(-1))) mended.pop()
  return withDelimiters(mended, block).join('\n')
}

/** The fence of an unclosed code block. */
function openFence (lines) {
  let open
  for (const [line, text] of lines.entries()) {
    const [, marks] = FENCE.exec(text) ?? []
    if (open === undefined) {
      if (marks !== undefined) open = { line, marks }
    } else if (marks?.startsWith(open.marks) && text.trim() === marks) {
      open = undefined
    }
  }
  return open
}

/** Removes an incomplete closing fence. */
function withoutClosing (lines, { line, marks }) {
  const last = lines.at(-1).trim()
  return lines.length - 1 > line && last !== '' && marks.startsWith(last) ? lines.slice(0, -1) : lines
}

/** Completes the delimiter row that makes a table of its first line. */
function withDelimiters (lines, block) {
  const outside = lines.findLastIndex((line, index) => index < block || !/^\s*\|/.test(line))
  const [head, delimiters = '', ...rows] = lines.slice(outside + 1)
  if (head === undefined || rows.length > 0 || !(delimiters === '' || DELIMITERS.test(delimiters))) return lines
  const cells = cellsOf(head)
  const whole = cellsOf(delimiters).filter(cell => cell.includes('-')).slice(0, cells.length)
  while (whole.length < cells.length) whole.push('-')
  return [...lines.slice(0, outside + 1), head, `|${whole.join('|')}|`]
}

function cellsOf (row) {
  return row.trim().replace(/^\||(?<!\\)\|$/g, '').split(/(?<!\\)\|/)
}

/** Closes emphasis and code, and replaces an incomplete link with its text. */
function closeInline (text) {
  const open = []
  for (const { 0: mark, index } of text.matchAll(MARKS)) {
    const inCode = open.at(-1)?.mark[0] === '`'
    if (mark[0] === '\\' || (inCode && mark[0] !== '`')) continue
    if (open.at(-1)?.mark === mark) open.pop()
    else if (!inCode && /\S/.test(text[index + mark.length] ?? 'x')) open.push({ mark, index })
  }
  let mended = text
  // The last mark may be half of a longer one.
  const half = open.at(-1)
  if (half !== undefined && half.index + half.mark.length === text.length) {
    open.pop()
    mended = mended.slice(0, half.index)
  }
  if (open.at(-1)?.mark[0] !== '`') mended = mended.replace(/<\/?[a-z]{0,6}\s?\/?$/i, '').replace(/!?\[([^\]\n]*)(?:\](?:\([^)\n]*)?)?$/, (whole, name) => whole[0] === '!' || /^[ x]?$/i.test(name) ? '' : name)
  return mended.trimEnd() + open.reverse().map(({ mark }) => mark).join('')
}
