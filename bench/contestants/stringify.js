import { start as startSchema } from './schema.js'

export const start = options => startSchema({ ...options, withSchema: false })
