/* Reads the body of a response. */

/** The chunks of a body, also in browsers in which a body is not iterable. */
globalThis.bodyChunks = async function * bodyChunks (body) {
  if (body === null) return
  const reader = body.getReader()
  for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value
}
