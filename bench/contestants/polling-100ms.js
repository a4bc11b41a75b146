import { startPolled } from '../polled-server.js'

export const start = async () => await startPolled(100)
