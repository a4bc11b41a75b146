import { readFileSync } from 'node:fs'
import type { FastifyBaseLogger } from 'fastify'
import { writeLog } from './logging.ts'

/** Returns how many files and connections this process may open at once; undefined if that is unlimited or unknown. */
export function maxOpenFiles (limits = '/proc/self/limits'): number | undefined {
  try {
    const [, files] = /^Max open files +(\d+)/m.exec(readFileSync(limits, 'utf8')) ?? []
    return files === undefined ? undefined : Number(files)
  } catch {
    // Only Linux has this file.
    return undefined
  }
}

/**
 * Logs a warning if this process can't open `maxConnections` streams. At its limit of open files, the operating system closes
 * further connections without a response, and nothing else reports that.
 */
export function warnOfOpenFiles (log: FastifyBaseLogger, maxConnections: number, maxFiles = maxOpenFiles()): void {
  if (maxFiles === undefined || maxConnections < maxFiles) return
  writeLog(log, 'warn', { maxConnections, maxOpenFiles: maxFiles }, 'this process can open fewer files than maxConnections streams ' +
    'require; at its limit, connections are closed without a response. Raise the limit (ulimit -n), or lower maxConnections')
}
