/** The tasks of a node that publishes. */
import { eventData, now, publishAtRate } from './event-data.js'

/** @param publish resolves when an event is published */
export function publishTasks (publish) {
  return {
    /** Publishes at a fixed rate. The data of each event contains the time. @returns the number of events */
    async publishAtRate ({ rate, ms, size }) {
      return { events: await publishAtRate({ rate, ms }, () => { publish(eventData(size, now())) }) }
    },
    /** Publishes as fast as possible. @returns events per second, and microseconds of CPU per event */
    async publishUnlimited ({ ms, size, concurrency }) {
      const start = performance.now()
      const { user, system } = process.cpuUsage()
      let events = 0
      const worker = async () => {
        while (performance.now() - start < ms) {
          await publish(eventData(size))
          events++
        }
      }
      await Promise.all(Array.from({ length: concurrency }, worker))
      const used = process.cpuUsage({ user, system })
      return { rate: events / (performance.now() - start) * 1_000, cpu: (used.user + used.system) / events }
    }
  }
}
