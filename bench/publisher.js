/** A publisher in a process of its own, which posts events over HTTP. */
import { auditPublisherTasks } from './delivery-audit.js'
import { eventData, now, publishAtRate } from './event-data.js'
import { PostClient } from './post-client.js'

async function withPostClient (port, connections, publish) {
  const client = new PostClient()
  await client.connect(port, connections)
  const result = await publish(client)
  client.close()
  return result
}

const tasks = {
  /**
   * Posts at a fixed rate, however long responses take, until too many posts are pending.
   *
   * @returns the number of posts, and whether the rate was kept to the end
   */
  async postAtRate ({ port, rate, ms, size, connections, maxPending }) {
    return await withPostClient(port, connections, async client => {
      const posts = []
      await publishAtRate({ rate, ms }, sentAt => {
        posts.push(client.post(eventData(size, sentAt)))
        return client.pending <= maxPending
      })
      const rateKept = client.pending <= maxPending
      await Promise.all(posts)
      return { posts: posts.length, rateKept }
    })
  },

  /** Posts as fast as responses arrive. @returns the number of posts, and the time of the first */
  async postUnlimited ({ port, ms, size, connections }) {
    return await withPostClient(port, connections, async client => {
      const startedAt = now()
      let posts = 0
      const worker = async () => {
        while (now() < startedAt + ms * 1_000) {
          posts++
          await client.post(eventData(size))
        }
      }
      await Promise.all(Array.from({ length: connections }, worker))
      return { posts, startedAt }
    })
  },

  ...auditPublisherTasks
}

process.on('message', async ([task, options]) => { process.send(await tasks[task](options)) })
process.on('disconnect', () => process.exit())
