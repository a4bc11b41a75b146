import { startPolled } from '../polling.js'

export const start = async () => await startPolled(1_000)
