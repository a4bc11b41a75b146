import { startPolled } from '../polling.js'

export const start = async () => await startPolled(5_000)
