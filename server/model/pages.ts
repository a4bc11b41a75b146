import { readFileSync } from 'node:fs'
import { FAULTS } from './faults.ts'

/** The source folder, which has the pages even if this file runs from the build. */
const FOLDER = new URL('server/model/pages/', import.meta.resolve('fastify-sse-emitter/package.json'))

function read (name: string): string {
  return readFileSync(new URL(`${name}.md`, FOLDER), 'utf8').trim()
}

const faults = Object.entries(FAULTS).map(([word, effect]) => `| \`${word}\` | ${effect} |`).join('\n')

/** Prepared answers, in Markdown. */
export const PAGES = {
  browserCode: read('browser-code'),
  help: `${read('help')}\n\n| message begins with | the answer … |\n|---|---|\n${faults}`,
  markdown: read('markdown'),
  project: read('project'),
  resuming: read('resuming'),
  serverCode: read('server-code'),
  sse: read('sse'),
  webSockets: read('web-sockets'),
  who: read('who')
}
