/** The plugin, whose clients do not poll. */
import { start as startOurs } from './ours.js'

export const start = async options => ({ ...await startOurs(options), account: { clients: () => ({ path: '/subscribe' }) } })
