/**
 * Lets Node 20 run TypeScript, as later versions do by themselves. Types are replaced by blanks, so that lines and
 * columns in stack traces and coverage are those of the source. Load it with `--import`.
 */
import { register } from 'node:module'

if (process.features.typescript === undefined) register('./strip-types-hooks.js', import.meta.url)
