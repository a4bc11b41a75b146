/** A publisher in a process of its own, which posts. */
import { eventData, now, steadily } from './event.js'
import { numbered } from './numbered.js'
import { Poster } from './poster.js'

/** Has a poster for a while. */
async function posting (port, connections, publish) {
  const poster = new Poster()
  await poster.open(port, connections)
  const answer = await publish(poster)
  poster.close()
  return answer
}

const tasks = {
  /**
   * At a steady rate, however long answers take, until those who wait for one become too many.
   *
   * @returns how many posts, and whether it went on to the end
   */
  async steady ({ port, rate, ms, size, connections, most }) {
    return await posting(port, connections, async poster => {
      const posts = []
      await steadily({ rate, ms }, sentAt => {
        posts.push(poster.post(eventData(size, sentAt)))
        return poster.unanswered <= most
      })
      const kept = poster.unanswered <= most
      await Promise.all(posts)
      return { posts: posts.length, kept }
    })
  },

  /** As fast as answers come. @returns how many posts, and when it began */
  async flood ({ port, ms, size, connections }) {
    return await posting(port, connections, async poster => {
      const startedAt = now()
      let posts = 0
      const one = async () => {
        while (now() < startedAt + ms * 1_000) {
          posts++
          await poster.post(eventData(size))
        }
      }
      await Promise.all(Array.from({ length: connections }, one))
      return { posts, startedAt }
    })
  },

  ...numbered
}

process.on('message', async ([task, options]) => { process.send(await tasks[task](options)) })
process.on('disconnect', () => process.exit())
