import { readFileSync } from 'node:fs'
import { FAULTS } from './faults.ts'

/** The pages' files, wherever this file was compiled to. */
const FOLDER = new URL('server/model/pages/', import.meta.resolve('fastify-sse-emitter/package.json'))

function read (name: string): string {
  return readFileSync(new URL(`${name}.md`, FOLDER), 'utf8').trim()
}

const faults = Object.entries(FAULTS).map(([word, what]) => `| \`${word}\` | ${what} |`).join('\n')

/** What the model knows by heart, in Markdown. */
export const PAGES = {
  browserCode: read('browser-code'),
  help: `${read('help')}\n\n| a message that begins with | … |\n|---|---|\n${faults}`,
  markdown: read('markdown'),
  project: read('project'),
  resuming: read('resuming'),
  serverCode: read('server-code'),
  sse: read('sse'),
  webSockets: read('web-sockets'),
  who: read('who')
}
