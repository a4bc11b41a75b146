/** How a node is told to publish. */
import { eventData, now, steadily } from './event.js'

/** @param publish takes data, and returns when it is published */
export function publishing (publish) {
  return {
    /** Events of which each says when it was published. @returns how many */
    async steady ({ rate, ms, size }) {
      return { events: await steadily({ rate, ms }, () => { publish(eventData(size, now())) }) }
    },
    /** As fast as it can be, so many at a time. @returns how many a second, and microseconds of CPU for one */
    async flood ({ ms, size, concurrency }) {
      const start = performance.now()
      const { user, system } = process.cpuUsage()
      let events = 0
      const one = async () => {
        while (performance.now() - start < ms) {
          await publish(eventData(size))
          events++
        }
      }
      await Promise.all(Array.from({ length: concurrency }, one))
      const used = process.cpuUsage({ user, system })
      return { rate: events / (performance.now() - start) * 1_000, cpu: (used.user + used.system) / events }
    }
  }
}
