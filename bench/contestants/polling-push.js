/** The plugin: clients receive a stream instead of polling. */
import { start as startOurs } from './ours.js'

export const start = async options => ({ ...await startOurs(options), tasks: { clientOptions: () => ({ path: '/subscribe' }) } })
