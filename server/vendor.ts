import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FastifyPluginAsync } from 'fastify'

/** Libraries that pages import, by the names they have here. */
const LIBRARIES: Record<string, string> = {
  'marked.js': 'marked',
  'purify.js': 'dompurify',
  'echarts.js': 'echarts/dist/echarts.esm.min.mjs'
}

/** Serves the libraries of the pages from where they are installed, so that nobody else's server is asked. */
export const vendor: FastifyPluginAsync = async app => {
  for (const [name, module] of Object.entries(LIBRARIES)) {
    const file = fileURLToPath(import.meta.resolve(module))
    app.get(`/vendor/${name}`, async (_request, reply) => reply.sendFile(basename(file), dirname(file)))
  }
}
