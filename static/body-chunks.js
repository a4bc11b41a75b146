/* Reads the body of a response. */

/** Iterates over the chunks of a body, also in browsers that don't support it. */
globalThis.bodyChunks = async function * bodyChunks (body) {
  if (body === null) return
  const reader = body.getReader()
  for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value
}
